import { TimeLimit } from './errors.ts'

/** The longest that a timer of the platform can be: with more it fires at once. */
const LONGEST_TIMER = 2 ** 31 - 1

/** A timer under way. */
export interface Timer {
  cancel(): void
  /** The process may end before it fires. */
  unref(): Timer
}

/** Calls `act` once after `millis`, however many that are; a day too long for one timer takes several. */
export function startTimer(millis: number, act: () => void): Timer {
  let isHolding = true
  let handle: ReturnType<typeof setTimeout>
  const arm = (left: number) => {
    const slice = Math.min(left, LONGEST_TIMER)
    handle = setTimeout(() => (left > slice ? arm(left - slice) : act()), slice)
    if (!isHolding) handle.unref()
  }
  arm(millis)
  const timer: Timer = {
    cancel: () => clearTimeout(handle),
    unref() {
      isHolding = false
      handle.unref()
      return timer
    },
  }
  return timer
}

/** `signal`, narrowed so that it also aborts with `TimeLimit` after `millis`; null leaves it as it is. */
export function withTimeLimit(
  signal: AbortSignal,
  millis: number | null,
  what: string,
): AbortSignal {
  if (millis === null) return signal
  const limit = new AbortController()
  const timer = startTimer(millis, () =>
    limit.abort(new TimeLimit(`${what} took longer than its limit of ${millis / 1000} s`)),
  ).unref()
  signal.addEventListener('abort', timer.cancel, { once: true })
  return AbortSignal.any([signal, limit.signal])
}

/**
 * `work`, or the signal's reason `grace` milliseconds after it aborts: whoever hangs is left behind,
 * and what becomes of it concerns nobody any more. Leaves nothing behind on the signal.
 */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal, grace = 0): Promise<T> {
  return new Promise((resolve, reject) => {
    let timer: Timer | null = null
    const stop = () => {
      if (grace === 0) reject(signal.reason)
      else timer = startTimer(grace, () => reject(signal.reason))
    }
    const settled = () => {
      signal.removeEventListener('abort', stop)
      timer?.cancel()
    }
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
    work.then(
      (value) => {
        settled()
        resolve(value)
      },
      (error: unknown) => {
        settled()
        reject(error)
      },
    )
  })
}
