import { SourceFailed } from '../../lib/errors.ts'
import { findProgram } from '../../platform/program.ts'
import { type Argv, type CommandSettings, nameOf } from './settings.ts'

/** Throws `SourceFailed` when there is no such program to run. */
export async function requireProgram(argv: Argv, { env, cwd }: CommandSettings): Promise<void> {
  const path = env.get('PATH')?.reveal()
  // A relative path is looked up from the folder it will run in: not ours to know before it does.
  if (cwd !== null && argv[0].includes('/') && !argv[0].startsWith('/')) return
  const found = path === undefined ? await findProgram(argv[0]) : await findProgram(argv[0], path)
  if (found !== null) return
  throw new SourceFailed(`program ${nameOf(argv)} was not found, or may not be run`, {
    hint: `install it, or name it by its absolute path; what is in PATH is found`,
  })
}
