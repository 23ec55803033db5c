import { Readable } from 'node:stream'
import { unlessAborted } from '../../lib/limits.ts'
import { ConnectionLost, type SftpRefusal } from './refusal.ts'
import type { Handle, Sftp } from './sftp.ts'

/**
 * A piece is asked for in one request: the largest that OpenSSH answers. With half the size, Node
 * takes half as much processor time again.
 */
const PIECE = 254 * 1024
/** Pieces under way, each of them in memory: together they fill the window that ssh2 opens. */
const AT_ONCE = 8

interface Reading {
  readonly sftp: Sftp
  /** Opened for this reading, and closed with it. */
  readonly handle: Handle
  readonly start: number
  /** What a failure of the server means. */
  readonly meant: (error: ConnectionLost | SftpRefusal | unknown) => Promise<unknown>
  /** Told of the closing of the file when the stream is closed. */
  readonly over: (closing: Promise<void>) => void
}

/** The bytes of an open file from `start` on. Ends at once when it is destroyed or aborted. */
export function readFrom(reading: Reading, signal: AbortSignal): Readable {
  const { sftp, handle, over } = reading
  const ending = new AbortController()
  const pieces = piecesOf(reading, ending.signal)
  const stream = new Readable({
    highWaterMark: PIECE,
    read: () =>
      void pieces.next().then(
        ({ done, value }) => stream.push(done ? null : value),
        (error) => stream.destroy(error),
      ),
    destroy(error, done) {
      // A server that hangs must not hold whoever gives the reading up.
      ending.abort(error)
      done(error)
    },
  })
  // Whoever reads hears of an error; one that comes before anybody does must not end the process.
  stream.on('error', () => {})
  const stop = () => stream.destroy(signal.reason)
  signal.addEventListener('abort', stop, { once: true })
  return stream.once('close', () => {
    signal.removeEventListener('abort', stop)
    over(sftp.close(handle))
  })
}

async function* piecesOf(
  { sftp, handle, start, meant }: Reading,
  ending: AbortSignal,
): AsyncGenerator<Buffer> {
  try {
    const size = await unlessAborted(sftp.size(handle), ending)
    const pieces: Promise<Buffer>[] = []
    let asked = start
    let given = start
    while (given < size) {
      while (pieces.length < AT_ONCE && asked < size) {
        const length = Math.min(PIECE, size - asked)
        const piece = readWhole(sftp, handle, length, asked)
        piece.catch(() => {}) // told when its turn comes
        pieces.push(piece)
        asked += length
      }
      const piece = pieces.shift()
      if (!piece) return
      const bytes = await unlessAborted(piece, ending)
      given += bytes.length
      yield bytes
    }
  } catch (error) {
    throw await meant(error)
  }
}

/** A server may give less than it was asked for, and still have more. */
async function readWhole(
  sftp: Sftp,
  handle: Handle,
  length: number,
  position: number,
): Promise<Buffer> {
  const first = await sftp.read(handle, length, position)
  if (first.length === length) return first
  if (first.length === 0) throw new ConnectionLost('the object became shorter while it was read')
  const rest = await readWhole(sftp, handle, length - first.length, position + first.length)
  return Buffer.concat([first, rest])
}
