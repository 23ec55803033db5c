import type { Instant, Millis } from './brand.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** Months and years are 30 and 365 days: an age, not a date of the calendar. */
const UNITS = {
  ms: 1,
  s: SECOND,
  m: MINUTE,
  h: HOUR,
  d: DAY,
  w: 7 * DAY,
  mo: 30 * DAY,
  y: 365 * DAY,
} as const

/** `30s 5m 2h 7d 2w 12mo 1y`, also joined as `1h30m`. Null when it is no duration. */
export function parseDuration(text: string): Millis | null {
  if (!/^(\d+(ms|mo|[smhdwy]))+$/.test(text)) return null
  let total = 0
  for (const [, count, unit] of text.matchAll(/(\d+)(ms|mo|[smhdwy])/g)) {
    total += Number(count) * UNITS[unit as keyof typeof UNITS]
  }
  return Number.isSafeInteger(total) ? (total as Millis) : null
}

/** In words to read, cut to the two largest units: `2h`, `1h30m`, `7d`, `1.5s`, `350ms`. */
export function formatDuration(millis: number): string {
  if (millis < SECOND) return `${Math.round(millis)}ms`
  if (millis < 10 * SECOND && millis % SECOND !== 0) return `${(millis / SECOND).toFixed(1)}s`
  let rest = Math.round(millis / SECOND) * SECOND
  const parts: string[] = []
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    const count = Math.floor(rest / UNITS[unit])
    rest -= count * UNITS[unit]
    if (count > 0) parts.push(`${count}${unit}`)
  }
  return parts.slice(0, 2).join('')
}

/** `2026-11-20T02:00:00.000Z`. */
export function iso(at: Instant): string {
  return new Date(at).toISOString()
}

/** `2026-11-20T02-00-00-000Z`: the instant as part of an object key. */
export function keyTimestamp(at: Instant): string {
  return iso(at).replaceAll(/[:.]/g, '-')
}

/**
 * The instant of ISO 8601 text with a zone, of a day alone (its midnight in UTC), or of a key's
 * timestamp; null when it is none of these, or a day that no calendar has.
 */
export function parseInstant(text: string): Instant | null {
  const dashed = /^(\d{4}-\d\d-\d\dT\d\d)-(\d\d)-(\d\d)-(\d{3}Z)$/.exec(text)
  const plain = dashed ? `${dashed[1]}:${dashed[2]}:${dashed[3]}.${dashed[4]}` : text
  if (!/^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/.test(plain)) return null
  const at = Date.parse(plain)
  return Number.isNaN(at) || !isDay(plain.slice(0, 10)) ? null : (at as Instant)
}

/** `Date.parse` reads February 30 as March 2. */
function isDay(day: string): boolean {
  return new Date(`${day}T00:00:00Z`).toISOString().startsWith(day)
}
