import { readlink, unlink } from 'node:fs/promises'
import { posix } from 'node:path'
import { ArchiveDamaged } from '../../lib/errors.ts'
import { MAX_NAMED, naming, readable } from './names.ts'
import { walk } from './walk.ts'

/** What arrived in a staging folder. */
export interface Scanned {
  /** The root counted, as tar counts. */
  readonly entries: number
  readonly warnings: readonly string[]
}

/**
 * Looks at every entry under `tree`. Device nodes that `expected` names (`./dev/null`, as the dump
 * told) are removed; any other one throws `ArchiveDamaged`. Links that lead out are content: they
 * are counted and named, and nothing was written through them.
 */
export async function scan(
  tree: string,
  expected: readonly string[],
  signal: AbortSignal,
): Promise<Scanned> {
  const dropped: string[] = []
  const strange = new Names()
  const leadingOut = new Names()
  let entries = 1
  for await (const { path, kind, at } of walk(tree, signal)) {
    entries++
    if (kind === 'device') {
      const name = shown(path)
      if (expected.includes(name)) {
        await unlink(at)
        dropped.push(name)
      } else strange.add(name)
    } else if (kind === 'link') {
      const target = await readlink(at, 'latin1')
      if (leadsOut(path, target)) leadingOut.add(`${shown(path)} -> ${text(target)}`)
    }
  }
  if (strange.total > 0) {
    const hint = 'nothing was restored; list what the archive holds with: holdfast backup show'
    throw new ArchiveDamaged(`the archive holds ${strange.say('device nodes')}`, { hint })
  }
  return {
    entries,
    warnings: [
      ...(dropped.length > 0 ? [naming('device nodes left out', dropped)] : []),
      ...(leadingOut.total > 0
        ? [leadingOut.say('symbolic links lead out of the tree, restored as they are')]
        : []),
    ],
  }
}

/** The first names and the number of all. */
class Names {
  total = 0
  readonly #first: string[] = []

  add(name: string): void {
    if (this.total++ < MAX_NAMED) this.#first.push(name)
  }

  say(what: string): string {
    return naming(what, this.#first, this.total)
  }
}

function leadsOut(path: string, target: string): boolean {
  if (target.startsWith('/')) return true
  const end = posix.normalize(posix.join(posix.dirname(path), target))
  return end === '..' || end.startsWith('../')
}

function shown(path: string): string {
  return `./${text(path)}`
}

function text(latin1: string): string {
  return readable(Buffer.from(latin1, 'latin1'))
}
