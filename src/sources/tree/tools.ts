import type { Bytes } from '../../core/model.ts'
import { messageOf, SourceFailed } from '../../lib/errors.ts'
import { mustSucceed, run } from '../../platform/program.ts'

/** Messages that can be read, and no options from outside. */
export const TAR_ENV = { LC_ALL: 'C', TAR_OPTIONS: '' } as const

const MINUTE = 60_000
/** A flush of a busy file system, or the removal of millions of files. */
const LONG = 6 * 60 * MINUTE

/** Version of the GNU tar on PATH: `1.34`. Throws `SourceFailed` when there is none or another tar. */
export async function tarVersion(signal: AbortSignal): Promise<string> {
  const hint = 'install GNU tar and put it first on PATH'
  const program = { command: 'tar', args: ['--version'], env: TAR_ENV }
  const { stdout } = await run(program, { timeLimit: MINUTE, signal }).catch((cause: unknown) => {
    signal.throwIfAborted()
    throw new SourceFailed(`tar cannot be run: ${messageOf(cause)}`, { hint, cause })
  })
  const version = /^tar \(GNU tar\) (\S+)/.exec(stdout)?.[1]
  if (version === undefined) throw new SourceFailed('the tar on PATH is not GNU tar', { hint })
  return version
}

/** Resolves once everything written to the file system of `path` is on its disk. */
export async function syncFileSystem(path: string, signal: AbortSignal): Promise<void> {
  const program = { command: 'sync', args: ['--file-system', path] }
  const { exit } = await run(program, { timeLimit: LONG, signal })
  mustSucceed(exit)
}

/**
 * Removes what is at `path`, however deep, following no link and entering no mount. By a program:
 * Node's own way ends at paths of 4096 bytes. What is already gone is no error.
 */
export async function removeTree(path: string): Promise<void> {
  const args = ['--recursive', '--force', '--one-file-system', '--', path]
  const signal = new AbortController().signal
  const { exit } = await run({ command: 'rm', args }, { timeLimit: LONG, signal })
  mustSucceed(exit)
}

/** The size in tar's `Total bytes written: N (…)`, or null. */
export function totalBytes(stderr: readonly string[]): Bytes | null {
  for (const line of stderr) {
    const bytes = /^Total bytes written: (\d+) /.exec(line)?.[1]
    if (bytes !== undefined) return Number(bytes) as Bytes
  }
  return null
}
