import type { Backup, Instant, Millis, Retry } from './model.ts'

const FIRST_WAIT = 60_000
const LONGEST_WAIT = 30 * 60_000

/** How the error of an attempt begins whose process is gone (DESIGN §4.4). */
export const ABANDONED = 'abandoned'

/** How long to wait after the last of `failures` failed attempts: a minute, then four times as long each. */
export function backoff(failures: number, retry: Retry): Millis {
  const share = retry.within / retry.attempts
  return Math.min(FIRST_WAIT * 4 ** (failures - 1), LONGEST_WAIT, share) as Millis
}

/**
 * Whether one more attempt is owed now. The time for retries runs from `from`, or from the first
 * attempt when that came later, so that a slot caught up hours after it is tried again too.
 */
export function mayTry(
  failures: readonly Backup[],
  retry: Retry,
  from: Instant | null,
  now: Instant,
): boolean {
  if (failures.length === 0) return true
  if (failures.length >= retry.attempts) return false
  const first = Math.min(...failures.map((one) => one.startedAt))
  const last = Math.max(...failures.map((one) => one.finishedAt ?? one.startedAt))
  if (now > Math.max(first, from ?? first) + retry.within) return false
  // An end that lies ahead of us is the word of a clock that was wrong; it makes nobody wait.
  if (last > now || now >= last + backoff(failures.length, retry)) return true
  // Nothing is known to be wrong with what a death cut short: whoever takes it over need not wait.
  return failures.every(({ error }) => error?.startsWith(ABANDONED))
}
