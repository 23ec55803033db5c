import type { Instant, Millis, Schedule } from './model.ts'
import { latestSlot, nextSlot } from './schedule.ts'

const HOUR = 3_600_000
/** A weekend's pause is met by looking so far ahead; a month's by so many slots. */
const WEEK = 8 * 24 * HOUR
const SLOTS = 8

/**
 * The longest that the schedule goes without a slot, as seen from `now`: a night's or a weekend's
 * pause counts, so that who waits that long waits no longer than was asked for. Pauses of less than
 * an hour among slots that are closer may be missed. Null: it never fires again, or fired never.
 */
export function expectedInterval(schedule: Schedule, now: Instant): Millis | null {
  let longest: number | null = null
  let at = now
  for (let looks = 0; looks < SLOTS || at < now + WEEK; looks++) {
    const [before, after] = [latestSlot(schedule, at), nextSlot(schedule, at)]
    if (before === null && after !== null) longest ??= 0
    if (after === null) break
    if (before !== null) longest = Math.max(longest ?? 0, after - before)
    // Slots that follow closely are not walked one by one; a pause is not looked at twice.
    at = (looks < SLOTS ? after : Math.max(after, at + HOUR)) as Instant
  }
  return longest === null || longest === 0 ? null : (longest as Millis)
}
