/** The connection is gone, or nobody may count on it any more. */
export class ConnectionLost extends Error {}

/** A refusal of the server, by its SFTP status code. */
export class SftpRefusal extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

export const NO_SUCH_FILE = 2
export const PERMISSION_DENIED = 3
export const FAILURE = 4
export const UNSUPPORTED = 8
/** As servers of newer versions of SFTP say that a name is taken. */
export const ALREADY_EXISTS = 11

/** Whether the server refused, with one of these statuses; with any, where none is named. */
export function isRefusal(error: unknown, ...statuses: readonly number[]): error is SftpRefusal {
  if (!(error instanceof SftpRefusal)) return false
  return statuses.length === 0 || statuses.includes(error.status)
}
