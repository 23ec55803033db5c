import { TargetUnreachable } from '../../lib/errors.ts'
import { ConnectionLost, NO_SUCH_FILE, PERMISSION_DENIED, SftpRefusal } from './refusal.ts'
import type { Sftp } from './sftp.ts'

/** With less than this left, a write that failed failed for want of space. */
const NEXT_TO_NOTHING = 1024 * 1024

/** What was attempted where, for the words of a failure. */
export interface Attempt {
  readonly label: string
  /** Folder whose file system is asked what is wrong with it. */
  readonly folder: string
  /** As `write acme/db.tar`. */
  readonly what: string
}

/**
 * The failure that an answer of the server means, or its silence; any other error is itself. The
 * server says of most things only that they failed, so it is asked about its disk.
 */
export async function trouble(attempt: Attempt, sftp: Sftp, error: unknown): Promise<unknown> {
  const { label, what } = attempt
  const unreachable = (why: string, hint?: string) =>
    new TargetUnreachable(`cannot ${what} on ${label}: ${why}`, {
      cause: error,
      at: label,
      ...(hint === undefined ? {} : { hint }),
    })
  if (error instanceof ConnectionLost) return unreachable(error.message)
  if (!(error instanceof SftpRefusal)) return error
  if (error.status === PERMISSION_DENIED) {
    return unreachable('permission is denied', 'see who may read and write there: namei -l')
  }
  if (error.status === NO_SUCH_FILE) {
    return unreachable('a part of the path is not there', 'make the folder there, or correct path')
  }
  const space = await sftp.space(attempt.folder).catch(() => null)
  if (space?.isReadOnly) return unreachable('its disk is mounted read-only', 'mount it read-write')
  if (space && space.free < NEXT_TO_NOTHING) return unreachable('no space is left', FREE_SOME)
  const hint = 'the log of its SSH server may tell more; a quota that is used up looks like this'
  return unreachable(`the server says: ${error.message}`, hint)
}

export const FREE_SOME = 'free some space there: df -h'
