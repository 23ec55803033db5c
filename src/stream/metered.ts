import { TargetUnreachable } from '../lib/errors.ts'
import { startTimer, type Timer, unlessAborted } from '../lib/limits.ts'
import { formatDuration } from '../lib/time.ts'
import { letGo } from '../platform/pour.ts'
import type { Meter } from './meter.ts'
import type { Throttle } from './throttle.ts'

export interface Metering {
  readonly gauge: Meter
  readonly onBytes: (bytes: number) => void
  readonly throttle: Throttle | null
  /** Milliseconds that the body may be silent; null for ever. */
  readonly patience: number | null
}

/** No disk or network that works is silent for so long; a mount that hangs is for ever. */
export const SILENCE = 5 * 60_000

/**
 * Passes `body` on through a meter. Throws the signal's reason, and `TargetUnreachable` when patience
 * is over, whatever the body does: one that hangs is let go.
 */
export async function* metered(
  body: AsyncIterable<Uint8Array>,
  { gauge, onBytes, throttle, patience }: Metering,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  signal.throwIfAborted()
  const iterator = body[Symbol.asyncIterator]()
  using silence = endOf(patience)
  const stop = AbortSignal.any([signal, silence.signal])
  let ended = false
  try {
    for (;;) {
      silence.begin()
      const next = await unlessAborted(iterator.next(), stop)
      silence.end()
      ended = next.done === true
      if (next.done) return
      gauge.push(next.value)
      await throttle?.take(next.value.byteLength, signal)
      onBytes(gauge.bytes())
      yield next.value
    }
  } catch (cause) {
    signal.throwIfAborted()
    throw cause
  } finally {
    if (!ended) letGo(body, iterator)
  }
}

interface Silence extends Disposable {
  readonly signal: AbortSignal
  begin(): void
  end(): void
}

function endOf(patience: number | null): Silence {
  const over = new AbortController()
  let timer: Timer | null = null
  const end = () => timer?.cancel()
  return {
    signal: over.signal,
    begin() {
      if (patience === null) return
      const why = `nothing more came of the archive for ${formatDuration(patience)}`
      timer = startTimer(patience, () => over.abort(new TargetUnreachable(why))).unref()
    },
    end,
    [Symbol.dispose]: end,
  }
}
