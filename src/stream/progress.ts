import type { Instant, Millis } from '../lib/brand.ts'

/** Passes `body` on and tells the bytes that passed so far after each chunk. */
export async function* counted(
  body: AsyncIterable<Uint8Array>,
  onBytes: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.byteLength
    onBytes(bytes)
    yield chunk
  }
}

/** How fast something goes, as of `at`. */
export interface Pace {
  readonly at: Instant
  readonly bytes: number
  /** Smoothed over the last seconds; null before the second sample. */
  readonly bytesPerSecond: number | null
}

/** An old rate has lost two thirds of its weight after this time. */
const MEMORY = 5000

/** The pace before anything moved. */
export function startPace(at: Instant): Pace {
  return { at, bytes: 0, bytesPerSecond: null }
}

/** The pace with one more sample: `bytes` moved in all at `at`. A clock that stood still adds nothing. */
export function advance(pace: Pace, bytes: number, at: Instant): Pace {
  const elapsed = at - pace.at
  if (elapsed <= 0) return pace
  const rate = ((bytes - pace.bytes) / elapsed) * 1000
  const old = pace.bytesPerSecond
  const weight = Math.exp(-elapsed / MEMORY)
  return { at, bytes, bytesPerSecond: old === null ? rate : old * weight + rate * (1 - weight) }
}

/** Time until `total` bytes have moved at this pace, or null when it cannot be told. */
export function remaining(pace: Pace, total: number | null): Millis | null {
  if (total === null || pace.bytesPerSecond === null || pace.bytesPerSecond < 1) return null
  return Math.max(0, ((total - pace.bytes) / pace.bytesPerSecond) * 1000) as Millis
}
