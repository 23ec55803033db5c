import { isUtf8 } from 'node:buffer'
import { RestoreFailed } from '../../lib/errors.ts'
import type { RestoreTask } from '../source.ts'
import { excluder, parsePatterns } from './excludes.ts'
import type { Goal } from './goal.ts'
import { readable } from './names.ts'
import { walk } from './walk.ts'

/** Each one is a rename in the journal. */
const MAX_CARRIED = 10_000

/** The strings of a list among the facts of a manifest. */
export function listOf(facts: RestoreTask['facts'], key: string): readonly string[] {
  const value = facts[key]
  return Array.isArray(value) ? value : []
}

/**
 * Topmost paths of the live tree, from `goal.path` on, that the backup left out and the restore
 * therefore keeps: by what the archive's manifest says, never by the present config.
 */
export async function carriedOver(
  goal: Goal,
  facts: RestoreTask['facts'],
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (!goal.inPlace || goal.now !== 'folder') return []
  const patterns = parsePatterns(listOf(facts, 'excludes'))
  if ('fault' in patterns)
    throw new RestoreFailed(`the manifest's list of excludes ${patterns.fault}`)
  const leftOut = listOf(facts, 'leftOut')
  if (listOf(facts, 'excludes').length === 0 && leftOut.length === 0) return []
  const isExcluded = excluder(patterns, leftOut)
  const before = goal.part === '' ? '' : `${Buffer.from(goal.part).toString('latin1')}/`
  const leavesOut = (path: string) => isExcluded(before + path)
  const carried: string[] = []
  for await (const { path } of walk(goal.path, signal, (path) => !leavesOut(path))) {
    if (leavesOut(path)) carried.push(asText(path))
    if (carried.length > MAX_CARRIED) throw tooMany(goal.path)
  }
  return carried
}

function tooMany(path: string): RestoreFailed {
  const hint = 'restore to another place with --to, and move what is needed'
  return new RestoreFailed(`more than ${MAX_CARRIED} excluded paths of ${path} to carry over`, {
    hint,
  })
}

/** A name of the live tree as text. Moves are written to a journal, which holds text only. */
export function asText(latin1: string): string {
  const name = Buffer.from(latin1, 'latin1')
  if (isUtf8(name)) return name.toString('utf8')
  const hint = 'rename it, or restore to another place with --to'
  throw new RestoreFailed(`${readable(name)} has to be moved, and its name is not UTF-8`, { hint })
}
