import { randomInt } from 'node:crypto'
import { ObjectExists, Refused, TargetUnreachable } from '../../lib/errors.ts'
import { formatBytes } from '../../lib/size.ts'
import { FREE_SOME } from './errors.ts'
import {
  above,
  folderOf,
  folderPath,
  foldersOf,
  makeFolders,
  type Place,
  refuseDetours,
} from './place.ts'
import {
  ALREADY_EXISTS,
  FAILURE,
  isRefusal,
  NO_SUCH_FILE,
  type SftpRefusal,
  UNSUPPORTED,
} from './refusal.ts'
import type { Handle, Sftp } from './sftp.ts'

/**
 * A piece is sent in one request: the largest that OpenSSH takes. For other servers ssh2 splits it,
 * and sends each part once the one before was answered.
 */
const PIECE = 254 * 1024
/** Pieces that have not been answered yet. */
const AT_ONCE = 16
const TRIES = 100
/** Times that a file can have been read at, for any server, in seconds. */
const MARKS = 2 ** 31

/** Opens the file that the object grows in, beside its final name. */
export async function begin(place: Place, key: string, part: string): Promise<Handle> {
  const { root, sftp } = place
  const [taken] = await Promise.all([sftp.lstat(`${root}/${key}`), refuseDetours(place, key)])
  if (taken) throw new ObjectExists(key)
  for (let tries = 1; ; tries++) {
    try {
      return await sftp.create(part)
    } catch (error) {
      if (isRefusal(error, FAILURE) && (await sftp.lstat(part))) {
        throw alreadyBegun(key, part, error)
      }
      // A remove that tidies up may take the folder away again before we have a file in it.
      if (!isRefusal(error, NO_SUCH_FILE) || tries === TRIES) throw error
      await refuseObjects(place, key)
      const made = await makeFolders(sftp, above(part))
      for (const folder of made) await syncFolder(sftp, above(folder))
    }
  }
}

function alreadyBegun(key: string, part: string, cause: unknown): Refused {
  const hint = `if nothing is writing it any more, remove ${part}`
  return new Refused(`an attempt of the same token writes ${key} already`, { cause, hint })
}

async function refuseObjects({ root, sftp }: Place, key: string): Promise<void> {
  const found = await Promise.all(foldersOf(key).map((folder) => sftp.lstat(`${root}/${folder}`)))
  if (found.every((stats) => stats === null || stats.isDirectory())) return
  const message = `cannot write ${key}: a part of its path is an object, not a folder`
  throw new Refused(message, { at: key })
}

/** Throws `TargetUnreachable` when the server tells of less space than `expected`. */
export async function checkSpace(
  { root, sftp }: Place,
  key: string,
  label: string,
  expected: number,
): Promise<void> {
  const space = await sftp.space(folderPath(root, folderOf(key)))
  if (!space || space.free >= expected) return
  const why = `${formatBytes(expected)} are expected, ${formatBytes(space.free)} are free`
  throw new TargetUnreachable(`cannot write ${key} on ${label}: ${why}`, {
    at: label,
    hint: FREE_SOME,
  })
}

/** Takes the bytes of a new file, in order. */
export interface RemoteWriter {
  /** Keeps nothing of `batch` once it resolves. Rejects with the failure of any write before it. */
  write(batch: readonly Uint8Array[]): Promise<void>
  /** The server has taken every byte once it resolves. */
  end(): Promise<void>
}

/** Sends on while answers are still to come: a round trip for each piece would be slow. */
export function remoteWriter(sftp: Sftp, handle: Handle): RemoteWriter {
  // A piece is another's again only once it was answered: until then ssh2 may still send parts of it.
  const free: Buffer[] = []
  let piece: Buffer = Buffer.allocUnsafeSlow(PIECE)
  const underWay = new Set<Promise<void>>()
  let failure: { readonly error: unknown } | null = null
  let used = 0
  let written = 0

  const send = async () => {
    while (underWay.size >= AT_ONCE && !failure) await Promise.race(underWay)
    if (failure) throw failure.error
    const sending = piece
    const sent: Promise<void> = sftp
      .write(handle, sending.subarray(0, used), written)
      .catch((error: unknown) => {
        failure ??= { error }
      })
      .finally(() => {
        underWay.delete(sent)
        free.push(sending)
      })
    underWay.add(sent)
    piece = free.pop() ?? Buffer.allocUnsafeSlow(PIECE)
    written += used
    used = 0
  }
  return {
    async write(batch) {
      for (const bytes of batch) {
        for (let rest = bytes; rest.length > 0; ) {
          const part = rest.subarray(0, PIECE - used)
          piece.set(part, used)
          used += part.length
          rest = rest.subarray(part.length)
          if (used === PIECE) await send()
        }
      }
    },
    async end() {
      if (used > 0) await send()
      await Promise.all(underWay)
      if (failure) throw failure.error
    },
  }
}

/** Brings the bytes to the disk and closes the file. Throws when the file is not that long. */
export async function seal(sftp: Sftp, handle: Handle, bytes: number): Promise<void> {
  await sftp.sync(handle)
  const size = await sftp.size(handle)
  if (size !== bytes) {
    throw new TargetUnreachable(`the server kept ${size} of ${bytes} bytes that were written`)
  }
  await sftp.close(handle)
}

/**
 * Gives the sealed file its final name, unless that is taken. The rename of OpenSSH refuses then; that
 * of others may replace what is there, so they make a hard link: of two at once, one wins. Without
 * hard links a look just before must do.
 */
export async function publish({ root, sftp }: Place, key: string, part: string): Promise<void> {
  const path = `${root}/${key}`
  const refuseTaken = async (cause: unknown) => {
    if (await sftp.lstat(path)) throw new ObjectExists(key, { cause })
  }
  const refusal = sftp.renameRefuses ? null : await refusalOf(sftp.link(part, path))
  if (refusal !== null) await refuseTaken(refusal)
  if (sftp.renameRefuses || refusal !== null) {
    await sftp.rename(part, path).catch(async (cause: unknown) => {
      if (isRefusal(cause, FAILURE, ALREADY_EXISTS, UNSUPPORTED)) await refuseTaken(cause)
      throw cause
    })
  } else await sftp.unlink(part).catch(unlessRefused) // the object is whole, with a second name or without
  await syncFolder(sftp, folderPath(root, folderOf(key)))
}

/**
 * Whether the unfinished file and the object are one file with two names. SFTP does not tell, but what
 * is changed of one shows on the other: when it was read, which nobody asks of an object.
 */
export async function isLinked({ root, sftp }: Place, key: string, part: string): Promise<boolean> {
  const path = `${root}/${key}`
  const [one, other] = await Promise.all([sftp.lstat(part), sftp.lstat(path)])
  if (!one?.isFile() || !other?.isFile() || one.size !== other.size) return false
  const mark = randomInt(MARKS)
  await sftp.touch(part, mark, one.mtime)
  return (await sftp.lstat(path))?.atime === mark
}

/** Null when the server does it. */
async function refusalOf(work: Promise<void>): Promise<SftpRefusal | null> {
  try {
    await work
    return null
  } catch (error) {
    if (isRefusal(error)) return error
    throw error
  }
}

/** Brings the names of a folder to the disk, where the server lets a folder be opened and synced. */
async function syncFolder(sftp: Sftp, folder: string): Promise<void> {
  const handle = await sftp.open(folder || '/').catch(unlessRefused)
  if (!handle) return
  await sftp.sync(handle).catch(unlessRefused)
  await sftp.close(handle).catch(unlessRefused)
}

function unlessRefused(error: unknown): null {
  if (isRefusal(error)) return null
  throw error
}
