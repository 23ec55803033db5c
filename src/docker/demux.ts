import { type Duplex, Readable } from 'node:stream'

const HEADER = 8
const STDERR = 2

/** Called with what the programs say beside their output. */
export type OnStderr = (piece: Buffer) => void

export interface Demuxed {
  readonly stdout: Readable
  /** Whether what has come so far ends where a frame does. */
  isWhole(): boolean
}

/**
 * The stdout of a stream in which the engine mixes it with stderr: frames with a header of eight
 * bytes, whose first is the channel and whose last four are the length.
 *
 * Pieces go on as they come, so that memory is bounded whatever a frame's length, and a reader that
 * does not read stops the engine's writing. The stream never ends of itself: an end of the connection
 * proves nothing, and whoever proves more calls `push(null)`, or destroys it. Destroying it leaves
 * the connection as it is.
 */
export function demux(connection: Duplex, onStderr: OnStderr): Demuxed {
  const stdout = new Readable({
    highWaterMark: 256 * 1024,
    read: () => {
      connection.resume()
    },
  })
  const header = Buffer.alloc(HEADER)
  let known = 0
  let left = 0
  connection.on('data', (chunk: Buffer) => {
    let at = 0
    while (at < chunk.length) {
      if (left === 0) {
        const taken = chunk.copy(header, known, at, at + HEADER - known)
        known += taken
        at += taken
        if (known < HEADER) return
        known = 0
        left = header.readUInt32BE(4)
        continue
      }
      const piece = chunk.subarray(at, at + left)
      at += piece.length
      left -= piece.length
      if (header[0] === STDERR) onStderr(piece)
      else if (!stdout.push(piece)) connection.pause()
    }
  })
  return { stdout, isWhole: () => known === 0 && left === 0 }
}
