import { encryptor } from './encryptor.ts'
import type { SealingKeys } from './keys.ts'
import { meter, type Reading } from './meter.ts'
import { gather, giveBack } from './pieces.ts'

/** A body that was closed after all else was done to it. */
export interface Resealed {
  /** To be read once; fails as the body that it reads does, and lets that go when it is let go. */
  readonly body: AsyncIterable<Uint8Array>
  /** What came out, once the body has ended; null before. */
  reading(): Reading | null
}

/**
 * `body` encrypted on its way: for targets that hold the same content closed in another way. Its
 * chunks may be shared with others and are left as they are.
 */
export function reseal(
  body: AsyncIterable<Uint8Array>,
  keys: SealingKeys,
  signal: AbortSignal,
): Resealed {
  let end: Reading | null = null
  async function* resealing() {
    const ready: Uint8Array[] = []
    const blocks = gather((block) => ready.push(block))
    const gauge = meter()
    const store = (block: Uint8Array) => {
      gauge.push(block)
      return block
    }
    const emit = (bytes: Uint8Array) => {
      blocks.push(bytes)
      giveBack(bytes)
    }
    const entry = await encryptor(keys, emit, signal)
    for await (const chunk of body) {
      entry.push(chunk)
      for (const block of ready.splice(0)) yield store(block)
    }
    entry.end()
    blocks.end()
    for (const block of ready.splice(0)) yield store(block)
    end = gauge.reading()
  }
  const bytes = resealing()
  let begun = false
  const iterator: AsyncIterator<Uint8Array> = {
    next() {
      begun = true
      return bytes.next()
    },
    async return() {
      // A generator that never began does not know of the body that it would have read.
      if (!begun) await body[Symbol.asyncIterator]().return?.()
      return await bytes.return(undefined)
    },
  }
  return { body: { [Symbol.asyncIterator]: () => iterator }, reading: () => end }
}
