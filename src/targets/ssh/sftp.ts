import type { FileEntryWithStats, Stats } from 'ssh2'
import { isRefusal, NO_SUCH_FILE, UNSUPPORTED } from './refusal.ts'
import type { Answer, Session } from './session.ts'

const END_OF_FILE = 1
const FOLDER_MODE = 0o700
const FILE_MODE = 0o600

/** An open file or folder of the server. */
export type Handle = Buffer

/** What the server says of the file system of a path. */
export interface Space {
  readonly free: number
  readonly isReadOnly: boolean
}

/** SFTP (draft-ietf-secsh-filexfer-02) in promises. Each rejects as `Session.ask` does. */
export interface Sftp {
  lstat(path: string): Promise<Stats | null>
  create(path: string): Promise<Handle>
  open(path: string): Promise<Handle>
  close(handle: Handle): Promise<void>
  size(handle: Handle): Promise<number>
  /** As many bytes from `position` on as the server gives at once; none at the end. */
  read(handle: Handle, length: number, position: number): Promise<Buffer>
  /** Reads `bytes` until it is answered. */
  write(handle: Handle, bytes: Uint8Array, position: number): Promise<void>
  /** Resolves at once where the server offers no sync. */
  sync(handle: Handle): Promise<void>
  /** Whether `rename` refuses a name that is taken; other servers may replace what has it. */
  readonly renameRefuses: boolean
  rename(from: string, to: string): Promise<void>
  /** Gives the file a second name. Refused when something is at `to`, and without hard links. */
  link(from: string, to: string): Promise<void>
  /** Sets when it was read and changed last, in seconds. */
  touch(path: string, readAt: number, changedAt: number): Promise<void>
  unlink(path: string): Promise<void>
  makeFolder(path: string): Promise<void>
  removeFolder(path: string): Promise<void>
  openFolder(path: string): Promise<Handle>
  /** The next entries of a folder; null at its end. */
  entries(handle: Handle): Promise<readonly FileEntryWithStats[] | null>
  /** Null where the server does not tell. */
  space(path: string): Promise<Space | null>
}

export function sftpOf({ ask, isOpenSsh }: Session, syncPatience: number): Sftp {
  const unless =
    <T>(status: number, otherwise: T) =>
    (error: unknown): T => {
      if (isRefusal(error, status)) return otherwise
      throw error
    }
  return {
    lstat: (path) =>
      ask<Stats | null>((sftp, answer) => sftp.lstat(path, answer)).catch(
        unless(NO_SUCH_FILE, null),
      ),
    create: (path) =>
      ask<Handle>((sftp, answer) => sftp.open(path, 'wx', { mode: FILE_MODE }, answer)),
    open: (path) => ask<Handle>((sftp, answer) => sftp.open(path, 'r', answer)),
    close: (handle) => ask<void>((sftp, answer) => sftp.close(handle, bare(answer))),
    size: async (handle) => (await ask<Stats>((sftp, answer) => sftp.fstat(handle, answer))).size,
    async read(handle, length, position) {
      const bytes = Buffer.allocUnsafeSlow(length)
      const read = await ask<number>((sftp, answer) =>
        sftp.read(handle, bytes, 0, length, position, answer),
      ).catch(unless(END_OF_FILE, 0))
      return bytes.subarray(0, read)
    },
    write: (handle, bytes, position) =>
      ask<void>((sftp, answer) => {
        const { buffer, byteOffset, length } = bytes
        const view = Buffer.from(buffer as ArrayBuffer, byteOffset, length)
        sftp.write(handle, view, 0, length, position, bare(answer))
      }),
    sync: (handle) =>
      ask<void>((sftp, answer) => sftp.ext_openssh_fsync(handle, bare(answer)), syncPatience).catch(
        unless(UNSUPPORTED, undefined),
      ),
    renameRefuses: isOpenSsh,
    rename: (from, to) => ask<void>((sftp, answer) => sftp.rename(from, to, bare(answer))),
    link: (from, to) =>
      ask<void>((sftp, answer) => sftp.ext_openssh_hardlink(from, to, bare(answer))),
    touch: (path, readAt, changedAt) =>
      ask<void>((sftp, answer) => sftp.utimes(path, readAt, changedAt, bare(answer))),
    unlink: (path) => ask<void>((sftp, answer) => sftp.unlink(path, bare(answer))),
    makeFolder: (path) =>
      ask<void>((sftp, answer) => sftp.mkdir(path, { mode: FOLDER_MODE }, bare(answer))),
    removeFolder: (path) => ask<void>((sftp, answer) => sftp.rmdir(path, bare(answer))),
    openFolder: (path) => ask<Handle>((sftp, answer) => sftp.opendir(path, answer)),
    entries: (handle) =>
      ask<readonly FileEntryWithStats[] | null>((sftp, answer) =>
        sftp.readdir(handle, answer),
      ).catch(unless(END_OF_FILE, null)),
    space: (path) => askSpace(ask, path).catch(unless(UNSUPPORTED, null)),
  }
}

/** Bit of `f_flag`: the file system is read-only. */
const READ_ONLY = 1

async function askSpace(ask: Session['ask'], path: string): Promise<Space> {
  const found = await ask<Record<string, unknown>>((sftp, answer) =>
    sftp.ext_openssh_statvfs(path, answer),
  )
  const { f_bavail, f_frsize, f_flag } = found
  return {
    free: Number(f_bavail) * Number(f_frsize),
    isReadOnly: (Number(f_flag) & READ_ONLY) !== 0,
  }
}

function bare(answer: Answer<void>): (error?: Error | null) => void {
  return (error) => answer(error, undefined)
}
