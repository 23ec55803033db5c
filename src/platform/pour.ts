import type { FileHandle } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { unlessAborted } from '../lib/limits.ts'

/** A batch is full with this many bytes, */
const BATCH_BYTES = 1024 * 1024
/** or with this many pieces, as many as one system call takes. */
const BATCH_PIECES = 1024

/**
 * Hands `body` to `write` in batches of about a MiB, reading the next one while the last is being
 * written: at most two are in memory. Resolves to the bytes written once the last write did.
 *
 * Rejects with the first failure of body or `write`, or at once with the signal's reason even when
 * the body or a write never answers. The body is let go; only after the signal may a write still be
 * under way, to which whoever closes the file has to look.
 */
export async function pour(
  body: AsyncIterable<Uint8Array>,
  write: (batch: readonly Uint8Array[]) => Promise<void>,
  signal: AbortSignal,
): Promise<number> {
  const iterator = body[Symbol.asyncIterator]()
  const broken = new AbortController()
  const stop = AbortSignal.any([signal, broken.signal])
  let writing: Promise<void> = Promise.resolve()
  let ended = false
  let total = 0
  const flush = async (batch: readonly Uint8Array[]) => {
    await unlessAborted(writing, stop)
    writing = write(batch)
    writing.catch((error: unknown) => broken.abort(error)) // also while the body hangs
  }
  try {
    let batch: Uint8Array[] = []
    let waiting = 0
    for (;;) {
      const next = await unlessAborted(iterator.next(), stop)
      if (next.done) break
      batch.push(next.value)
      waiting += next.value.byteLength
      total += next.value.byteLength
      if (waiting < BATCH_BYTES && batch.length < BATCH_PIECES) continue
      await flush(batch)
      batch = []
      waiting = 0
    }
    ended = true
    if (waiting > 0) await flush(batch)
    await unlessAborted(writing, signal)
    return total
  } finally {
    await unlessAborted(writing, signal).catch(() => {})
    if (!ended) letGo(body, iterator)
  }
}

/** Writes all of `batch` at the file's position, however little the system takes at a time. */
export async function writeAll(file: FileHandle, batch: readonly Uint8Array[]): Promise<void> {
  let rest = batch.filter((piece) => piece.byteLength > 0)
  while (rest.length > 0) {
    const { bytesWritten } = await file.writev(rest)
    rest = after(rest, bytesWritten)
  }
}

function after(batch: readonly Uint8Array[], written: number): Uint8Array[] {
  let skip = written
  const from = batch.findIndex((piece) => {
    if (skip < piece.byteLength) return true
    skip -= piece.byteLength
    return false
  })
  if (from < 0) return []
  return batch.slice(from).map((piece, index) => (index === 0 ? piece.subarray(skip) : piece))
}

/** Tells the body that nobody reads on. Not waited for: a body that hangs would hang us too. */
export function letGo(
  body: AsyncIterable<Uint8Array>,
  iterator: AsyncIterator<Uint8Array> = body[Symbol.asyncIterator](),
): void {
  if (body instanceof Readable) body.destroy()
  iterator.return?.()?.catch(() => {})
}
