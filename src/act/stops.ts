import { TargetUnreachable } from '../lib/errors.ts'
import { startTimer, type Timer } from '../lib/limits.ts'
import { formatDuration } from '../lib/time.ts'
import type { Stalls } from '../stream/fan-out.ts'

/** What the slowest target gets to finish once another holds it all: a sync may have gigabytes to write. */
const LAST_LIMIT = 30 * 60_000

/** Ends the writes to targets that keep the others waiting. */
export interface Stops extends Stalls, Disposable {
  signalOf(index: number, signal: AbortSignal): AbortSignal
  onStored(): void
}

/** Stops for so many writes that go on at once. */
export function stopsFor(count: number): Stops {
  const stops = Array.from({ length: count }, () => new AbortController())
  let last: Timer | null = null
  const stopTheRest = () => {
    const why = `the target did not finish within ${formatDuration(LAST_LIMIT)} of another`
    for (const stop of stops) stop.abort(new TargetUnreachable(why))
  }
  return {
    signalOf(index, signal) {
      const stop = stops[index]
      return stop ? AbortSignal.any([signal, stop.signal]) : signal
    },
    onStall: (index, error) => stops[index]?.abort(error),
    onStored() {
      last ??= startTimer(LAST_LIMIT, stopTheRest).unref()
    },
    [Symbol.dispose]: () => last?.cancel(),
  }
}
