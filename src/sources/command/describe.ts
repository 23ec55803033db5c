import { RestoreFailed } from '../../lib/errors.ts'
import { exists } from '../../platform/files.ts'
import type { Replacement, RestoreTask } from '../source.ts'
import { type CommandSettings, nameOf } from './settings.ts'

/** What a restore would do: only its program knows what that replaces. */
export async function describeCommand(
  { restore }: CommandSettings,
  { to }: RestoreTask,
  signal: AbortSignal,
): Promise<Replacement> {
  signal.throwIfAborted()
  if (to !== null) {
    return {
      to,
      now: (await exists(to)) ? 'something that is there already' : 'nothing',
      remarks: [],
    }
  }
  if (restore === null) throw cannotRestore()
  const name = nameOf(restore)
  return {
    to: `program ${name}`,
    now: `whatever ${name} replaces`,
    remarks: [
      `what ${name} takes in cannot be taken back, and nothing is kept of what it replaces`,
    ],
  }
}

/** There is no program to give the archive to. */
export function cannotRestore(): RestoreFailed {
  return new RestoreFailed('the source names no program that restores it', {
    hint: 'add restore: [program, …] to the source, or write the content to a file with --to FILE',
  })
}
