import { setTimeout as delay } from 'node:timers/promises'

/** Bounds what several streams move together. */
export interface Throttle {
  /** Resolves when `bytes` more may be moved. Throws the signal's reason. */
  take(bytes: number, signal: AbortSignal): Promise<void>
}

/** Where a throttle's time comes from, in milliseconds that never go back. */
export interface Clock {
  now(): number
  sleep(millis: number, signal: AbortSignal): Promise<void>
}

const monotonic: Clock = {
  now: () => performance.now(),
  sleep: (millis, signal) => delay(millis, undefined, { signal }),
}

/** This much may be moved at once after a rest, in milliseconds of the rate. */
const BURST = 250

/**
 * A bucket that fills with `bytesPerSecond`, shared by whoever takes from it, in the order of
 * asking. A chunk larger than the bucket passes, and is waited for by the one after it.
 */
export function throttle(bytesPerSecond: number, clock: Clock = monotonic): Throttle {
  // The moment at which everything granted so far has been paid for.
  let paidAt = clock.now()
  return {
    async take(bytes, signal) {
      signal.throwIfAborted()
      const startsAt = Math.max(paidAt, clock.now() - BURST)
      paidAt = startsAt + (bytes / bytesPerSecond) * 1000
      const wait = startsAt - clock.now()
      if (wait <= 0) return
      try {
        await clock.sleep(wait, signal)
      } catch (cause) {
        signal.throwIfAborted()
        throw cause
      }
    },
  }
}
