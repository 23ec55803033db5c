import type { FileHandle } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { readDirect } from '../platform/direct.ts'
import { trouble } from './local-place.ts'

const AT_ONCE = { highWaterMark: 1024 * 1024 }
/** Smaller objects are read through the page cache, whole. */
const WORTH_GOING_AROUND = 4 * 1024 * 1024

interface Reading {
  /** Of the target: for the words of a failure. */
  readonly root: string
  /** Opened for this reading. */
  readonly file: FileHandle
  readonly path: string
  readonly start: number
}

/** The bytes of an object, which is closed with the stream. */
export function readFrom(reading: Reading, signal: AbortSignal): Readable {
  const { file, start } = reading
  const stream = start === 0 ? wholeOf(reading) : file.createReadStream({ start, ...AT_ONCE })
  // Whoever reads hears of an error; one that comes before anybody does must not end the process.
  stream.on('error', () => {})
  const stop = () => stream.destroy(signal.reason)
  signal.addEventListener('abort', stop, { once: true })
  return stream.once('close', () => signal.removeEventListener('abort', stop))
}

function wholeOf({ file, path, root }: Reading): Readable {
  async function* pieces() {
    try {
      const { size } = await file.stat()
      if (size >= WORTH_GOING_AROUND) yield* readDirect(file, path)
      else yield await file.readFile()
    } catch (error) {
      throw trouble(root, `read ${path.slice(root.length + 1)}`, error)
    }
  }
  const stream = Readable.from(pieces(), { objectMode: false, ...AT_ONCE })
  // Not in the generator: one that nobody begins to read has no end.
  return stream.once('close', () => file.close().catch(() => {}))
}
