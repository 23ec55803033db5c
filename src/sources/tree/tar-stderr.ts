import type { Exit } from '../../platform/program.ts'
import { readable, unquote } from './names.ts'

/** What GNU tar said while it wrote an archive, sorted by what it means. Names as tar quotes them. */
export interface TarRemarks {
  readonly changed: readonly string[]
  readonly vanished: readonly string[]
  /** Cut while being read; the archive holds zeros in place of what was lost. */
  readonly shrunk: readonly string[]
  /** Sockets and doors, which no archive holds. */
  readonly ignored: readonly string[]
  /** Lines that are none of these, made readable. */
  readonly other: readonly string[]
  /** Lines that nobody saw, because there were too many. */
  readonly unseen: number
}

const KINDS = [
  ['changed', /^tar: (.*): file changed as we read it$/],
  ['vanished', /^tar: (.*): (?:File|Directory) removed before we read it$/],
  ['shrunk', /^tar: (.*): File shrank by \d+ bytes?; padding with zeros$/],
  ['ignored', /^tar: (.*): (?:socket|door) ignored$/],
] as const

/** What `tar --totals` says at its end, and what it says after an error that it named before. */
const EXPECTED = /^Total bytes written: |^tar: Exiting with failure status due to previous errors$/

/** Sorts what tar wrote to stderr under `LC_ALL=C`. */
export function readTarStderr({ stderr, stderrTotal }: Exit): TarRemarks {
  const found = {
    changed: new Set<string>(),
    vanished: new Set<string>(),
    shrunk: new Set<string>(),
    ignored: new Set<string>(),
  }
  const other: string[] = []
  for (const line of stderr) {
    if (EXPECTED.test(line)) continue
    const kind = KINDS.find(([, pattern]) => pattern.test(line))
    if (kind) found[kind[0]].add(kind[1].exec(line)?.[1] ?? '')
    else other.push(readable(unquote(line)))
  }
  return {
    // A file that shrank has also changed; it is one file.
    changed: [...found.changed].filter((name) => !found.shrunk.has(name)),
    vanished: [...found.vanished],
    shrunk: [...found.shrunk],
    ignored: [...found.ignored],
    other,
    unseen: Math.max(0, stderrTotal - stderr.length),
  }
}
