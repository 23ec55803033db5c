import { Cron } from 'croner'
import type { Instant } from '../lib/brand.ts'
import { iso } from '../lib/time.ts'
import { fromCronCrate } from './cron-crate.ts'
import type { Schedule } from './model.ts'
import { instantOf, latestWall, type Zone, zoneFault, zoneOf } from './zone.ts'

/*
 * A cron pattern speaks of a wall clock. It is matched on a clock that never jumps, and each match
 * becomes the first instant at which the clock on the wall shows that time or later. So the times
 * that a gap swallows all fall on the gap's end and are one slot, and an hour that is shown twice
 * has its slots in the first of the two. croner's own time zones do neither (SERVICES §9).
 */

const MINUTE = 60_000

/** The newest slot at or before `now`, or null when there is none yet. */
export function latestSlot(schedule: Schedule, now: Instant): Instant | null {
  const clock = clockOf(schedule)
  // A clock's patterns know whole seconds and look strictly before.
  let wall = clock.before(Math.floor(latestWall(clock.zone, now) / 1000) * 1000 + 1000)
  while (wall !== null && absorbed(clock, wall)) wall = clock.before(wall)
  return wall === null ? null : instantOf(clock.zone, wall)
}

/** The first slot after `after`, or null when the schedule never fires again. */
export function nextSlot(schedule: Schedule, after: Instant): Instant | null {
  const clock = clockOf(schedule)
  let wall = clock.after(latestWall(clock.zone, after))
  while (wall !== null && absorbed(clock, wall)) wall = clock.after(wall)
  return wall === null ? null : instantOf(clock.zone, wall)
}

/** The slots in (after, until], oldest first, at most `limit` of them. */
export function slotsBetween(
  schedule: Schedule,
  after: Instant,
  until: Instant,
  limit: number,
): readonly Instant[] {
  const slots: Instant[] = []
  let slot = nextSlot(schedule, after)
  while (slot !== null && slot <= until && slots.length < limit) {
    slots.push(slot)
    slot = nextSlot(schedule, slot)
  }
  return slots
}

/** Slots are counted up to this many: a year of minutes is not worth the time to tell it exactly. */
export const MISSED_LIMIT = 1000

/** How many slots lie in (after, until]; `MISSED_LIMIT` stands for that many or more. */
export function missedSlots(schedule: Schedule, after: Instant, until: Instant): number {
  return slotsBetween(schedule, after, until, MISSED_LIMIT).length
}

/** Why this is no schedule, in words, or null when it fires after `now`. */
export function scheduleFault(schedule: Schedule, now: Instant): string | null {
  const { cron } = schedule
  const unknownZone = zoneFault(schedule.timezone)
  if (unknownZone !== null) return unknownZone
  const malformed = patternFault(schedule)
  if (malformed !== null) return malformed

  if (nextSlot(schedule, now) === null) {
    const last = latestSlot(schedule, now)
    return last === null
      ? `"${cron}" can never fire`
      : `"${cron}" never fires again: its last slot was ${iso(last)}`
  }
  return firesTwiceAMinute(schedule, now) ? `"${cron}" fires more than once a minute` : null
}

/** A pattern on a clock in a zone. Wall times in milliseconds, both searches exclusive. */
interface Clock {
  readonly zone: Zone
  after(wall: number): number | null
  before(wall: number): number | null
}

/** Compiled once, by dialect and text. */
const patterns = { croner: new Map<string, Cron>(), 'cron-crate': new Map<string, Cron>() }

type Pattern = Pick<Schedule, 'cron' | 'dialect'>

/** The pattern of a schedule; throws when its dialect cannot read it. */
function patternOf(written: Pattern): Cron {
  const known = patterns[written.dialect ?? 'croner']
  let pattern = known.get(written.cron)
  if (pattern === undefined) {
    pattern = compile(written)
    known.set(written.cron, pattern)
  }
  return pattern
}

function compile({ cron, dialect }: Pattern): Cron {
  // Offset 0 is UTC without asking Intl at every step: 3 µs a search, where a named zone takes 30.
  const clock = { utcOffset: 0 }
  return dialect === undefined
    ? new Cron(cron, clock)
    : new Cron(fromCronCrate(cron), { ...clock, domAndDow: true })
}

function clockOf(schedule: Schedule): Clock {
  const pattern = patternOf(schedule)
  return {
    zone: zoneOf(schedule.timezone),
    after: (wall) => pattern.nextRun(new Date(wall))?.getTime() ?? null,
    before: (wall) => pattern.previousRuns(1, new Date(wall))[0]?.getTime() ?? null,
  }
}

/**
 * Whether the slot of this wall time lies in the minute of the gap's slot: `30 * * * * *` has one
 * at the gap's end, and its next is not half a minute later.
 */
function absorbed({ zone, before }: Clock, wall: number): boolean {
  const slot = instantOf(zone, wall)
  const minute = slot - (slot % MINUTE)
  const gap = zone.transitions(minute - 1, slot - 1).find((change) => change.after > change.before)
  if (gap === undefined) return false
  const previous = before(wall)
  return previous !== null && instantOf(zone, previous) === gap.at
}

/** croner reads dates and `@reboot` too, which are no schedule. */
function patternFault(pattern: Pattern): string | null {
  const { cron, dialect } = pattern
  const fields = cron.trim().split(/\s+/).length
  if (dialect === undefined && !/^\s*@[a-z]+\s*$/i.test(cron) && (fields < 5 || fields > 7)) {
    return `"${cron}" is no cron pattern: it has to have 5, 6 or 7 fields`
  }
  try {
    patternOf(pattern)
    return null
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/^CronPattern: /, '') : String(error)
    return `"${cron}" is no cron pattern: ${why}`
  }
}

/** The first minute of a pattern has every second that any of its minutes has. */
function firesTwiceAMinute(schedule: Schedule, now: Instant): boolean {
  const { after } = clockOf({ ...schedule, timezone: 'UTC' })
  const first = after(now - (now % MINUTE) - 1)
  const second = first === null ? null : after(first)
  return first !== null && second !== null && second - first < MINUTE
}
