import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { appliedAfter } from '../../src/core/applied.ts'
import { fromCronCrate } from '../../src/core/cron-crate.ts'
import type { Instant, Schedule } from '../../src/core/model.ts'
import { latestSlot, nextSlot, scheduleFault } from '../../src/core/schedule.ts'
import { iso } from '../../src/lib/time.ts'
import { at, desired, job } from './plan-nouns.ts'

const DAY = 86_400_000
const NOW = at('2026-06-15T12:34:56Z')

function crate(cron: string, timezone = 'UTC'): Schedule {
  return { cron, timezone, dialect: 'cron-crate' }
}

function next(cron: string, after = NOW, timezone = 'UTC'): string | null {
  const slot = nextSlot(crate(cron, timezone), after)
  return slot === null ? null : iso(slot).replace('.000Z', 'Z')
}

/** A field as it is written, and the numbers that it stands for by the words of the crate's manual. */
interface Written {
  readonly text: string
  readonly numbers: ReadonlySet<number>
}

const span = (from: number, to: number, step = 1): readonly number[] => {
  const found: number[] = []
  for (let number = from; number <= to; number += step) found.push(number)
  return found
}

const WEEKDAYS = ['', 'sun', 'Monday', 'TUES', 'wed', 'Thurs', 'fri', 'Saturday']
const MONTHS = ['', 'jan', 'February', 'MAR', 'apr', 'may', 'june', 'jul', 'aug', 'Sep', 'oct']

/** Any field of these bounds; its numbers come out of `usual`, or all of them. */
function field(
  min: number,
  max: number,
  names: readonly string[] = [],
  usual = { min, max },
): fc.Arbitrary<Written> {
  const number = fc.integer(usual)
  const pair = fc.tuple(number, number).map(([one, other]) => [one, other].sort((a, b) => a - b))
  const step = fc.integer({ min: 1, max: Math.min(max, 20) })
  const word = (value: number) => names[value] ?? String(value)
  const areNamed = ([from = 0, to = 0]: readonly number[]) => from in names && to in names
  const namedRange = ([from = 0, to = 0]: readonly number[]) =>
    [`${word(from)}-${word(to)}`, span(from, to)] as const
  const part = fc.oneof(
    number.map((value) => [String(value), [value]] as const),
    number.map((value) => [word(value), [value]] as const),
    pair.map(([from = 0, to = 0]) => [`${from}-${to}`, span(from, to)] as const),
    ...(names.length === 0 ? [] : [pair.filter(areNamed).map(namedRange)]),
    fc
      .tuple(pair, step)
      .map(([[from = 0, to = 0], by]) => [`${from}-${to}/${by}`, span(from, to, by)] as const),
    fc.tuple(number, step).map(([from, by]) => [`${from}/${by}`, span(from, max, by)] as const),
    step.map((by) => [`*/${by}`, span(min, max, by)] as const),
  )
  const list = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => ({
    text: parts.map(([text]) => text).join(','),
    numbers: new Set(parts.flatMap(([, numbers]) => numbers)),
  }))
  const every = { text: '*', numbers: new Set(span(min, max)) }
  return fc.oneof(list, fc.constant(every))
}

const anyOrEvery = (of: fc.Arbitrary<Written>) =>
  fc.tuple(of, fc.boolean()).map(([one, asks]) => ({
    ...one,
    text: one.text === '*' && asks ? '?' : one.text,
  }))

/** Second, minute, hour, day of month, month, day of week, year. */
const patterns = fc.tuple(
  fc.integer({ min: 0, max: 59 }).map((one) => ({ text: String(one), numbers: new Set([one]) })),
  field(0, 59),
  field(0, 23),
  anyOrEvery(field(1, 31)),
  field(1, 12, MONTHS),
  anyOrEvery(field(1, 7, WEEKDAYS)),
  field(1970, 2100, [], { min: 2020, max: 2040 }),
)

/** The first match after `after` within `days`, by trying every day and then every second that fits. */
function search(fields: readonly Written[], after: number, days: number): number | null {
  const [seconds, minutes, hours, dates, months, weekdays, years] = fields.map((one) => one.numbers)
  const first = Math.floor(after / DAY)
  for (let day = first; day < first + days; day++) {
    const date = new Date(day * DAY)
    const fits =
      years?.has(date.getUTCFullYear()) &&
      months?.has(date.getUTCMonth() + 1) &&
      dates?.has(date.getUTCDate()) &&
      weekdays?.has(date.getUTCDay() + 1)
    if (!fits) continue
    for (let minute = 0; minute < 1440; minute++) {
      if (!hours?.has(Math.floor(minute / 60)) || !minutes?.has(minute % 60)) continue
      const instant = day * DAY + minute * 60_000 + ([...(seconds ?? [])][0] ?? 0) * 1000
      if (instant > after) return instant
    }
  }
  return null
}

describe('a pattern of the crate "cron"', () => {
  it('fires when trying every day and minute finds that all seven fields fit', () => {
    const moment = fc.integer({ min: at('2022-01-01T00:00:00Z'), max: at('2030-01-01T00:00:00Z') })
    fc.assert(
      fc.property(patterns, moment, (fields, after) => {
        const schedule = crate(fields.map((one) => one.text).join(' '))
        const found = search(fields, after, 3000)
        const slot = nextSlot(schedule, after as Instant)
        if (found === null) expect(slot === null || slot > after + 2999 * DAY).toBe(true)
        else {
          expect(slot).toBe(found)
          expect(latestSlot(schedule, found as Instant)).toBe(found)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('has its days begin at Sunday, which is 1', () => {
    expect(next('0 30 2 * * 1')).toBe('2026-06-21T02:30:00Z')
    expect(next('0 30 2 * * 7')).toBe('2026-06-20T02:30:00Z')
    expect(next('0 30 2 * * SUN')).toBe(next('0 30 2 * * 1'))
  })

  it('takes a day of the month and a day of the week together', () => {
    expect(next('0 0 2 13 * 6')).toBe('2026-11-13T02:00:00Z')
  })

  it('may leave the year out, and may have a short name', () => {
    expect(next('0 30 2 * * * *')).toBe(next('0 30 2 * * *'))
    expect(next('@daily')).toBe('2026-06-16T00:00:00Z')
    expect(next('@hourly')).toBe('2026-06-15T13:00:00Z')
    expect(next('@weekly')).toBe('2026-06-21T00:00:00Z')
    expect(next('@monthly')).toBe('2026-07-01T00:00:00Z')
    expect(next('@yearly')).toBe('2027-01-01T00:00:00Z')
  })

  it('lets blanks stand in a list', () => {
    expect(fromCronCrate(' 0  30 2, 4 * * mon - fri * ')).toBe('0 30 2,4 * * 1,2,3,4,5 *')
  })

  it('has its slots on the wall of a zone, one for a gap and one for a repeated hour', () => {
    const berlin = (after: string) => next('0 30 2 * * * *', at(after), 'Europe/Berlin')
    expect(berlin('2026-03-28T12:00:00Z')).toBe('2026-03-29T01:00:00Z')
    expect(berlin('2026-10-25T00:30:00Z')).toBe('2026-10-26T01:30:00Z')
  })

  it.each([
    ['30 2 * * *', '"30 2 * * *" is no cron pattern: it has to have 6 or 7 fields, seconds first'],
    ['0 30 2 * * 0', 'day of week "0" has to be from 1 to 7, Sunday is 1'],
    ['0 30 2 * * 8', 'day of week "8" has to be from 1 to 7, Sunday is 1'],
    ['0 30 2 * * FRI-MON', 'day of week "FRI-MON" ends before it begins'],
    ['0 30 2 L * *', 'day of month "L" cannot be read'],
    ['0 30 2 15W * *', 'day of month "15W" cannot be read'],
    ['0 30 2 * * 5#3', 'day of week "5#3" cannot be read'],
    ['0 30 2 * * mon/2', 'day of week "mon/2" cannot be read'],
    ['0 30 2 * * mon-3', 'day of week "mon-3" cannot be read'],
    ['0 30 ? * * *', 'hour "?" cannot be read'],
    ['0 30 24 * * *', 'hour "24" has to be from 0 to 23'],
    ['0 */0 2 * * *', 'the step of minute "*/0" has to be from 1 to 59'],
    ['0 30 2 * * * 2101', 'year "2101" has to be from 1970 to 2100'],
    ['0 30 2,,3 * * *', 'hour "" cannot be read'],
    ['0 1-2-3 2 * * *', 'minute "1-2-3" cannot be read'],
    ['0 1/2/3 2 * * *', 'minute "1/2/3" cannot be read'],
    ['@reboot', 'it has to have 6 or 7 fields'],
    ['0 30 2 30 2 *', 'can never fire'],
    ['* 30 2 * * *', 'fires more than once a minute'],
    ['0,30 30 2 * * *', 'fires more than once a minute'],
    ['0 30 2 * * * 2020', 'never fires again: its last slot was 2020-12-31T02:30:00.000Z'],
  ])('is refused as "%s"', (cron, words) => {
    expect(scheduleFault(crate(cron), NOW)).toContain(words)
  })

  it('is another schedule than the same text in croner, whose slots are then not owed', () => {
    const text = { cron: '0 30 2 * * 1', timezone: 'UTC' }
    const before = appliedAfter(desired([], [job('a', {}, { schedule: text })]), null, NOW)
    const later = (NOW + DAY) as Instant
    const since = (schedule: Schedule) =>
      appliedAfter(desired([], [job('a', {}, { schedule })]), before, later).jobs[0]?.since
    expect(since(text)).toBe(NOW)
    expect(since({ ...text, dialect: 'cron-crate' })).toBe(later)
  })
})
