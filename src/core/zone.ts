import type { Instant, Millis } from '../lib/brand.ts'
import { suggest } from '../lib/suggest.ts'

const DAY = 86_400_000

/**
 * Length of the stretches that are known by their two ends. No zone changed its offset and changed
 * it back within fewer than 7 days from 1970 to 2040 (the closest: Brazil, October 2000).
 */
const STRETCH = 4 * DAY

/** Clocks jump by up to a day, where the date line moved. */
const LONGEST_JUMP = 26 * 3_600_000

/** A moment at which the clocks of a zone were changed; offsets are added to UTC. */
export interface Transition {
  /** The first instant of the new offset. */
  readonly at: Instant
  readonly before: Millis
  readonly after: Millis
}

/** The clocks of one time zone. */
export interface Zone {
  /** What the wall clock shows at `at`, as milliseconds of a clock that reads UTC. */
  wallOf(at: Instant): number
  /** Changes of the clocks in (after, until], in order. */
  transitions(after: number, until: number): readonly Transition[]
}

const zones = new Map<string, Zone>()

/** The zone of an IANA name. Throws `RangeError` for a name that `zoneFault` finds fault with. */
export function zoneOf(name: string): Zone {
  let zone = zones.get(name)
  if (zone === undefined) {
    zone = name === 'UTC' ? UTC : openZone(name)
    zones.set(name, zone)
  }
  return zone
}

/** Why `name` is no time zone, in words, or null when it is one. */
export function zoneFault(name: string): string | null {
  try {
    zoneOf(name)
    return null
  } catch {
    const near = suggest(name, ['UTC', ...Intl.supportedValuesOf('timeZone')])
    return `unknown time zone "${name}"${near === null ? '' : `, did you mean ${near}?`}`
  }
}

/**
 * The first instant at which the wall clock shows `wall` or later: the end of the gap for a time
 * that the clocks jump over, and the first of the two for a time that they show twice.
 */
export function instantOf(zone: Zone, wall: number): Instant {
  let begin = wall - LONGEST_JUMP
  let offset = zone.wallOf(begin as Instant) - begin
  for (const { at, after } of zone.transitions(begin, wall + LONGEST_JUMP)) {
    const found = Math.max(begin, wall - offset)
    if (found < at) return found as Instant
    begin = at
    offset = after
  }
  return Math.max(begin, wall - offset) as Instant
}

/** The latest that the wall clock has shown up to `at`: in a repeated hour, the end of the first. */
export function latestWall(zone: Zone, at: Instant): number {
  let latest = zone.wallOf(at)
  for (const change of zone.transitions(at - LONGEST_JUMP, at)) {
    latest = Math.max(latest, change.at - 1 + change.before)
  }
  return latest
}

const UTC: Zone = { wallOf: (at) => at, transitions: () => [] }

interface Stretch {
  readonly offset: number
  readonly changes: readonly Transition[]
}

/** Asking Intl takes about 1 µs, so what it said of each stretch is kept. */
function openZone(name: string): Zone {
  const ask = offsetReader(name)
  const known = new Map<number, Stretch>()
  const stretchOf = (at: number): Stretch => {
    const index = Math.floor(at / STRETCH)
    let stretch = known.get(index)
    if (stretch === undefined) {
      const begin = index * STRETCH
      stretch = { offset: ask(begin), changes: changesIn(ask, begin, begin + STRETCH) }
      known.set(index, stretch)
    }
    return stretch
  }
  return {
    wallOf(at) {
      const { offset, changes } = stretchOf(at)
      return at + (changes.findLast((change) => change.at <= at)?.after ?? offset)
    },
    transitions(after, until) {
      const found: Transition[] = []
      for (let begin = after; begin < until + STRETCH; begin += STRETCH) {
        found.push(...stretchOf(begin).changes)
      }
      return found.filter(({ at }) => at > after && at <= until)
    },
  }
}

/** Changes in (begin, end], by halving every part whose two ends differ. */
function changesIn(ask: (at: number) => number, begin: number, end: number): Transition[] {
  const before = ask(begin)
  const after = ask(end)
  if (before === after) return []
  if (end - begin === 1) {
    return [{ at: end as Instant, before: before as Millis, after: after as Millis }]
  }
  const middle = Math.floor((begin + end) / 2)
  return [...changesIn(ask, begin, middle), ...changesIn(ask, middle, end)]
}

/** Reads the offset of a zone from Intl's words: `1/1/1970, GMT+01:00`. */
function offsetReader(timeZone: string): (at: number) => number {
  const format = new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' })
  return (at) => {
    const match = /GMT(?:([+-])(\d+):(\d+)(?::(\d+))?)?$/.exec(format.format(at))
    const [, sign, hours, minutes, seconds] = match ?? []
    const offset = Number(hours ?? 0) * 3600 + Number(minutes ?? 0) * 60 + Number(seconds ?? 0)
    return (sign === '-' ? -offset : offset) * 1000
  }
}
