import { TimeLimit } from './errors.ts'

/** `signal`, narrowed so that it also aborts with `TimeLimit` after `millis`; null leaves it as it is. */
export function withTimeLimit(
  signal: AbortSignal,
  millis: number | null,
  what: string,
): AbortSignal {
  if (millis === null) return signal
  const limit = new AbortController()
  const timer = setTimeout(
    () => limit.abort(new TimeLimit(`${what} took longer than its limit of ${millis / 1000} s`)),
    millis,
  )
  timer.unref()
  signal.addEventListener('abort', () => clearTimeout(timer), { once: true })
  return AbortSignal.any([signal, limit.signal])
}
