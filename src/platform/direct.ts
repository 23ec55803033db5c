import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { codeOf } from './files.ts'

/** What goes to the disk in one call, and a multiple of every disk's block. */
const SLOT = 1024 * 1024
/** One is filled while the two before it are on their way. */
const SLOTS = 3

/** Takes the bytes of a new file, in order. */
export interface DirectWriter extends AsyncDisposable {
  /** Keeps nothing of `batch` once it resolves. Rejects with the failure of any write before it. */
  write(batch: readonly Uint8Array[]): Promise<void>
  /** Every byte is with the file once it resolves; only a sync brings it to the disk. */
  end(): Promise<void>
}

interface Slot {
  readonly bytes: Uint8Array
  /** The write of what it held last. */
  written: Promise<void>
}

/**
 * Writes a large file past the page cache, where the disk allows it: a backup then does not push out
 * what the host's programs read again, and the sync at its end has nothing left to do. Half the
 * processor time of a write through the cache, too. Whatever is no full slot, and everything on a
 * disk that wants it otherwise, goes through `file`, which stays the caller's to sync and to close.
 */
export function directWriter(file: FileHandle, path: string): DirectWriter {
  const slots: Slot[] = []
  let opening: Promise<FileHandle | null> = Promise.resolve(null)
  let written = 0
  let used = 0

  const current = (): Slot => {
    const index = (written / SLOT) % SLOTS
    slots[index] ??= { bytes: aligned(SLOT), written: Promise.resolve() }
    return slots[index]
  }
  const flush = async (bytes: Uint8Array, position: number): Promise<void> => {
    const direct = await opening
    if (direct && (await writeDirect(direct, bytes, position)) === 'written') return
    await writeAt(file, bytes, position)
  }
  return {
    async write(batch) {
      for (const piece of batch) {
        for (let rest = piece; rest.length > 0; ) {
          const slot = current()
          if (used === 0) await slot.written
          const part = rest.subarray(0, SLOT - used)
          slot.bytes.set(part, used)
          used += part.length
          rest = rest.subarray(part.length)
          if (used < SLOT) continue
          if (written === 0) opening = openDirect(path, 'write')
          slot.written = flush(slot.bytes, written)
          slot.written.catch(() => {}) // told by whoever waits for it
          written += SLOT
          used = 0
        }
      }
    },
    async end() {
      await Promise.all(slots.map((slot) => slot.written))
      if (used > 0) await writeAt(file, current().bytes.subarray(0, used), written)
    },
    async [Symbol.asyncDispose]() {
      // Also one that is only just being opened, as when the writing is given up.
      await (await opening)?.close()
    },
  }
}

/**
 * The bytes of a large file from its begin on, past the page cache where the disk allows it: nobody
 * reads an archive twice. One piece is read ahead. `file` stays the caller's to close.
 */
export async function* readDirect(file: FileHandle, path: string): AsyncGenerator<Uint8Array> {
  await using direct = await openDirect(path, 'read')
  const pieceAt = async (position: number): Promise<Uint8Array> => {
    const bytes = aligned(SLOT)
    const from = position % SLOT === 0 && direct ? direct : file
    const { bytesRead } = await from.read(bytes, 0, SLOT, position).catch((error: unknown) => {
      if (!isRefusal(error)) throw error
      return file.read(bytes, 0, SLOT, position)
    })
    return bytes.subarray(0, bytesRead)
  }
  let position = 0
  let next = pieceAt(position)
  for (;;) {
    const piece = await next
    if (piece.length === 0) return
    position += piece.length
    next = pieceAt(position)
    next.catch(() => {}) // told when its turn comes
    yield piece
  }
}

/** Direct access needs memory that begins at a page: that of a buffer which may grow does, a plain one's does not. */
function aligned(size: number): Uint8Array {
  return new Uint8Array(new ArrayBuffer(size, { maxByteLength: size }))
}

/** Null where the disk or the system knows no such thing: the way through the cache serves there. */
async function openDirect(path: string, how: 'read' | 'write'): Promise<FileHandle | null> {
  const { O_DIRECT, O_RDONLY, O_WRONLY, O_NOFOLLOW } = constants
  if (O_DIRECT === undefined) return null
  const access = how === 'read' ? O_RDONLY : O_WRONLY
  return await open(path, access | O_DIRECT | O_NOFOLLOW).catch(() => null)
}

/** `refused`: this disk wants another alignment, and nothing was written. */
async function writeDirect(
  file: FileHandle,
  bytes: Uint8Array,
  position: number,
): Promise<'written' | 'refused'> {
  try {
    const { bytesWritten } = await file.write(bytes, 0, bytes.length, position)
    return bytesWritten === bytes.length ? 'written' : 'refused'
  } catch (error) {
    if (isRefusal(error)) return 'refused'
    throw error
  }
}

/** How disks and networks say that they know no direct access after all. */
function isRefusal(error: unknown): boolean {
  return ['EINVAL', 'ENOTSUP', 'EOPNOTSUPP'].includes(codeOf(error) ?? '')
}

/** Writes all of it, however little the system takes at a time. */
async function writeAt(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done)
    done += bytesWritten
  }
}
