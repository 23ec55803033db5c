import { statfsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Failure, messageOf, StateRefused } from '../lib/errors.ts'
import { SQLITE, sqliteCode } from '../platform/sqlite-error.ts'

/** What to paste when the file itself is of no use: the targets hold the truth. */
export function adoptHint(path: string): string {
  const aside = join(dirname(path), 'aside')
  return `move it aside and rebuild the history from the targets: mkdir ${aside} && mv ${path}* ${aside}/ && holdfast state adopt`
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

/** Whether the file system has no room left for what SQLite keeps beside a database. */
function isFull(path: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(dirname(path))
    return bavail * bsize < ROOM
  } catch {
    return false
  }
}

/** Bytes; its shared memory alone takes half of it. */
const ROOM = 64 * 1024

function wordsFor(code: number, path: string, message: string): readonly [string, string | null] {
  switch (code) {
    case SQLITE.busy:
      return [
        'stayed locked by another process',
        `see which processes have it open: fuser -v ${path}`,
      ]
    case SQLITE.readonly:
      return [
        'cannot be written to',
        'give this user write permission on the file and its directory',
      ]
    case SQLITE.cantopen:
      return [
        'cannot be opened',
        'it must be a file that this user may read and write, in a directory likewise',
      ]
    case SQLITE.full:
      return ['cannot grow: the disk is full', `free space on the file system: df -h ${path}`]
    case SQLITE.ioerr:
      // Files beside the database that cannot grow are told as errors of the disk.
      if (isFull(path)) return wordsFor(SQLITE.full, path, message)
      return [
        `could not be read or written (${message})`,
        'look for disk errors in the kernel log: dmesg',
      ]
    case SQLITE.corrupt:
    case SQLITE.notadb:
      return ['is damaged or no SQLite file', adoptHint(path)]
    case SQLITE.constraint:
      return [`does not allow it (${message})`, null]
    default:
      return [`could not be used (${message})`, null]
  }
}
