import { Failure, messageOf, StateRefused } from '../lib/errors.ts'

// Primary result codes, https://sqlite.org/rescode.html
const BUSY = 5
const READONLY = 8
const IOERR = 10
const CORRUPT = 11
const FULL = 13
const CANTOPEN = 14
const CONSTRAINT = 19
const NOTADB = 26

/** The primary result code of an error that SQLite gave, or null for any other. */
export function sqliteCode(error: unknown): number | null {
  if (!(error instanceof Error) || !('errcode' in error)) return null
  return typeof error.errcode === 'number' ? error.errcode & 0xff : null
}

/** Whether SQLite said that another connection holds what was wanted. */
export function isBusy(error: unknown): boolean {
  return sqliteCode(error) === BUSY
}

/** What to paste when the file itself is of no use: the targets hold the truth. */
export function adoptHint(path: string): string {
  return `move it aside and rebuild the history from the targets: mkdir ${path}.aside && mv ${path}* ${path}.aside/ && holdfast state adopt`
}

/** An error of SQLite as `StateRefused`, in words; anything else as it is. */
export function refusalOf(path: string, doing: string, error: unknown): unknown {
  const code = sqliteCode(error)
  if (code === null || error instanceof Failure) return error
  const [why, hint] = wordsFor(code, path, messageOf(error))
  return new StateRefused(`cannot ${doing}: the state ${path} ${why}`, {
    cause: error,
    at: path,
    ...(hint ? { hint } : {}),
  })
}

function wordsFor(code: number, path: string, message: string): readonly [string, string | null] {
  switch (code) {
    case BUSY:
      return [
        'stayed locked by another process',
        'see which processes have it open: fuser -v'.concat(' ', path),
      ]
    case READONLY:
      return [
        'cannot be written to',
        'give this user write permission on the file and its directory',
      ]
    case CANTOPEN:
      return [
        'cannot be opened',
        'it must be a file that this user may read and write, in a directory likewise',
      ]
    case FULL:
      return ['cannot grow: the disk is full', `free space on the file system: df -h ${path}`]
    case IOERR:
      return [
        `could not be read or written (${message})`,
        'look for disk errors in the kernel log: dmesg',
      ]
    case CORRUPT:
    case NOTADB:
      return ['is damaged or no SQLite file', adoptHint(path)]
    case CONSTRAINT:
      return [`does not allow it (${message})`, null]
    default:
      return [`could not be used (${message})`, null]
  }
}
