import { startTimer, type Timer } from '../../lib/limits.ts'

/** A signal that follows another one later. */
export interface Grace extends Disposable {
  readonly signal: AbortSignal
}

/** Aborts `millis` after `signal` does, with its reason: for what must not be left half done. */
export function graceAfter(signal: AbortSignal, millis: number): Grace {
  const late = new AbortController()
  let timer: Timer | null = null
  const start = () => {
    timer = startTimer(millis, () => late.abort(signal.reason))
  }
  if (signal.aborted) start()
  else signal.addEventListener('abort', start, { once: true })
  return {
    signal: late.signal,
    [Symbol.dispose]() {
      signal.removeEventListener('abort', start)
      timer?.cancel()
    },
  }
}
