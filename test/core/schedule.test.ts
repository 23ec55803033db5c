import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Instant, Schedule } from '../../src/core/model.ts'
import {
  latestSlot,
  MISSED_LIMIT,
  missedSlots,
  nextSlot,
  scheduleFault,
  slotsBetween,
} from '../../src/core/schedule.ts'
import { iso } from '../../src/lib/time.ts'
import { cronOf, wallClock, watchedSlots } from './schedule-oracle.ts'

const at = (text: string) => Date.parse(text) as Instant
const now = at('2026-06-15T12:34:56.789Z')
const DAY = 86_400_000

function slots(cron: string, timezone: string, from: string, until: string): readonly string[] {
  const before = (at(from) - 1) as Instant
  return slotsBetween({ cron, timezone }, before, at(until), 1000).map((slot) =>
    iso(slot).replace(':00.000Z', 'Z'),
  )
}

/** A day of wall time around the change, in UTC. */
const springDay = ['Europe/Berlin', '2026-03-28T23:00:00Z', '2026-03-29T21:59:59Z'] as const
const autumnDay = ['Europe/Berlin', '2026-10-24T22:00:00Z', '2026-10-25T22:59:59Z'] as const

describe('slots on the day that the clocks go forward', () => {
  it('put a time in the gap at the end of the gap', () => {
    expect(slots('30 2 * * *', ...springDay)).toEqual(['2026-03-29T01:00Z'])
  })
  it('collapse all times in the gap to one', () => {
    expect(slots('*/30 2 * * *', ...springDay)).toEqual(['2026-03-29T01:00Z'])
  })
  it('are one with a regular slot at the end of the gap', () => {
    expect(slots('*/30 2,3 * * *', ...springDay)).toEqual([
      '2026-03-29T01:00Z',
      '2026-03-29T01:30Z',
    ])
  })
  it('swallow a regular slot within the minute of the end of the gap', () => {
    const [zone] = springDay
    const found = slots('30 59,0 * * * *', zone, '2026-03-29T00:59:00Z', '2026-03-29T02:00:00Z')
    expect(found).toEqual([
      '2026-03-29T00:59:30.000Z',
      '2026-03-29T01:00Z',
      '2026-03-29T01:59:30.000Z',
    ])
  })
  it('agree with the newest slot through the gap', () => {
    const schedule = { cron: '30 2 * * *', timezone: 'Europe/Berlin' }
    expect(latestSlot(schedule, at('2026-03-29T00:59:59.999Z'))).toBe(at('2026-03-28T01:30:00Z'))
    expect(latestSlot(schedule, at('2026-03-29T01:00:00.000Z'))).toBe(at('2026-03-29T01:00:00Z'))
    expect(nextSlot(schedule, at('2026-03-29T01:00:00.000Z'))).toBe(at('2026-03-30T00:30:00Z'))
  })
  it('go half an hour forward on Lord Howe Island', () => {
    const day = ['Australia/Lord_Howe', '2026-10-03T13:30:00Z', '2026-10-04T12:59:59Z'] as const
    expect(slots('15,45 2 * * *', ...day)).toEqual(['2026-10-03T15:30Z', '2026-10-03T15:45Z'])
  })
  it('put midnight at one where the gap begins at midnight', () => {
    const day = ['America/Sao_Paulo', '2018-11-03T12:00:00Z', '2018-11-05T02:00:00Z'] as const
    expect(slots('0 0 * * *', ...day)).toEqual(['2018-11-04T03:00Z', '2018-11-05T02:00Z'])
  })
  it('collapse the day that Samoa left out', () => {
    const days = ['Pacific/Apia', '2011-12-29T10:00:00Z', '2012-01-01T09:59:59Z'] as const
    expect(slots('0 */6 * * *', ...days)).toEqual([
      ...['2011-12-29T10:00Z', '2011-12-29T16:00Z', '2011-12-29T22:00Z', '2011-12-30T04:00Z'],
      ...['2011-12-30T10:00Z', '2011-12-30T16:00Z', '2011-12-30T22:00Z', '2011-12-31T04:00Z'],
      ...['2011-12-31T10:00Z', '2011-12-31T16:00Z', '2011-12-31T22:00Z', '2012-01-01T04:00Z'],
    ])
    expect(slots('0 12 30 12 *', ...days)).toEqual(['2011-12-30T10:00Z'])
  })
})

describe('slots on the day that the clocks go back', () => {
  it('are in the first of the two hours only', () => {
    expect(slots('30 2 * * *', ...autumnDay)).toEqual(['2026-10-25T00:30Z'])
    expect(slots('*/30 2 * * *', ...autumnDay)).toEqual(['2026-10-25T00:00Z', '2026-10-25T00:30Z'])
  })
  it('go on at the end of the second hour', () => {
    const [zone] = autumnDay
    expect(slots('*/20 * * * *', zone, '2026-10-25T00:20:00Z', '2026-10-25T02:10:00Z')).toEqual([
      ...['2026-10-25T00:20Z', '2026-10-25T00:40Z', '2026-10-25T02:00Z'],
    ])
  })
  it('agree with the newest slot through the second hour', () => {
    const schedule = { cron: '*/30 * * * *', timezone: 'Europe/Berlin' }
    for (const during of ['2026-10-25T01:00:00Z', '2026-10-25T01:59:59.999Z']) {
      expect(latestSlot(schedule, at(during))).toBe(at('2026-10-25T00:30:00Z'))
      expect(nextSlot(schedule, at(during))).toBe(at('2026-10-25T02:00:00Z'))
    }
  })
  it('are not repeated on Lord Howe Island', () => {
    const day = ['Australia/Lord_Howe', '2026-04-04T14:00:00Z', '2026-04-04T16:00:00Z'] as const
    expect(slots('*/15 * * * *', ...day).slice(0, 6)).toEqual([
      ...['2026-04-04T14:00Z', '2026-04-04T14:15Z', '2026-04-04T14:30Z', '2026-04-04T14:45Z'],
      ...['2026-04-04T15:30Z', '2026-04-04T15:45Z'],
    ])
  })
})

describe('slots over a year', () => {
  const years = [
    ['Europe/Berlin', '2026-01-01T00:00:00Z'],
    ['America/New_York', '2026-01-01T00:00:00Z'],
    ['Australia/Lord_Howe', '2026-01-01T00:00:00Z'],
    ['America/Sao_Paulo', '2018-01-01T00:00:00Z'],
    ['Pacific/Apia', '2011-06-01T00:00:00Z'],
    ['Africa/Casablanca', '2026-01-01T00:00:00Z'],
    ['Asia/Kathmandu', '2026-01-01T00:00:00Z'],
  ] as const
  // Times around which clocks are changed come up more often.
  const hour = fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 23 }))
  const anyTimes = fc.record({
    minutes: fc.uniqueArray(fc.integer({ min: 0, max: 59 }), { minLength: 1, maxLength: 3 }),
    hours: fc.uniqueArray(hour, { minLength: 1, maxLength: 4 }),
    weekdays: fc.oneof(
      fc.constant([0, 1, 2, 3, 4, 5, 6]),
      fc.subarray([0, 1, 2, 3, 4, 5, 6], { minLength: 1 }),
    ),
  })

  for (const [timezone, begin] of years) {
    const from = at(begin)
    const until = (from + 366 * DAY) as Instant
    const walls = wallClock(timezone, from, until)

    it(`are those that watching the clock of ${timezone} finds, each once`, () => {
      fc.assert(
        fc.property(
          anyTimes,
          fc.array(fc.double({ min: 0, max: 1, noNaN: true })),
          (times, moments) => {
            const schedule = { cron: cronOf(times), timezone }
            const watched = watchedSlots(walls, from, times)
            const found = slotsBetween(schedule, (from - 1) as Instant, (until - 1) as Instant, 1e6)
            expect(found).toEqual(watched)
            for (const moment of moments)
              agree(
                schedule,
                found,
                Math.min(until - 1, Math.floor(from + moment * (until - from))),
              )
            for (const slot of found.slice(-3)) agree(schedule, found, slot)
          },
        ),
        { numRuns: 12 },
      )
    })
  }

  function agree(schedule: Schedule, found: readonly Instant[], moment: number) {
    const latest = found.findLast((slot) => slot <= moment)
    const next = found.find((slot) => slot > moment)
    if (latest !== undefined) expect(latestSlot(schedule, moment as Instant)).toBe(latest)
    if (next !== undefined) expect(nextSlot(schedule, moment as Instant)).toBe(next)
  }

  it('are never two in one minute, also with seconds', () => {
    for (const cron of ['* * * * *', '30 * * * * *', '59 * * * * *']) {
      for (const day of ['2026-03-29T00:00:00Z', '2026-10-25T00:00:00Z']) {
        const schedule = { cron, timezone: 'Europe/Berlin' }
        const until = (at(day) + 4 * 3_600_000) as Instant
        const found = slotsBetween(schedule, at(day), until, 1000)
        expect(found.length).toBeGreaterThan(170)
        expect(new Set(found.map((slot) => Math.floor(slot / 60_000))).size).toBe(found.length)
        for (const slot of found) {
          agree(schedule, found, slot)
          agree(schedule, found, slot + 45_000)
        }
      }
    }
  })
})

describe('patterns', () => {
  const next = (cron: string, timezone = 'UTC') => {
    const slot = nextSlot({ cron, timezone }, now)
    return slot === null ? null : iso(slot)
  }
  it('have 5, 6 or 7 fields, or a name', () => {
    expect(next('0 2 * * *')).toBe('2026-06-16T02:00:00.000Z')
    expect(next('15 0 2 * * *')).toBe('2026-06-16T02:00:15.000Z')
    expect(next('0 0 2 1 1 * 2031')).toBe('2031-01-01T02:00:00.000Z')
    expect(next('@daily')).toBe('2026-06-16T00:00:00.000Z')
    expect(next('@hourly')).toBe('2026-06-15T13:00:00.000Z')
    expect(next('@weekly', 'America/New_York')).toBe('2026-06-21T04:00:00.000Z')
  })
  it('know the last day of a month, the nth weekday and the nearest working day', () => {
    expect(next('0 2 L * *')).toBe('2026-06-30T02:00:00.000Z')
    expect(next('0 2 * * 5#3')).toBe('2026-06-19T02:00:00.000Z')
    expect(next('0 2 4W 7 *')).toBe('2026-07-03T02:00:00.000Z')
  })
  it('fire on either of a day of the month and a day of the week', () => {
    expect(next('0 2 20 * 3')).toBe('2026-06-17T02:00:00.000Z')
  })
  it('have no next slot after their last, and no newest before their first', () => {
    expect(next('0 0 2 1 1 * 2020')).toBeNull()
    expect(latestSlot({ cron: '0 0 2 1 1 * 2020', timezone: 'UTC' }, now)).toBe(
      at('2020-01-01T02:00:00Z'),
    )
    expect(latestSlot({ cron: '0 0 2 1 1 * 2031', timezone: 'UTC' }, now)).toBeNull()
  })
  it('have their slot at the very instant, not a millisecond before', () => {
    const schedule = { cron: '0 2 * * *', timezone: 'UTC' }
    const slot = at('2026-06-16T02:00:00Z')
    expect(latestSlot(schedule, slot)).toBe(slot)
    expect(latestSlot(schedule, (slot - 1) as Instant)).toBe(slot - DAY)
    expect(nextSlot(schedule, (slot - 1) as Instant)).toBe(slot)
    expect(nextSlot(schedule, slot)).toBe(slot + DAY)
  })
})

it('the newest and the next slot of any pattern enclose any instant', () => {
  const crons = [
    '0 2 L * *',
    '0 2 * * 5#3',
    '0 2 15W * *',
    '0 0 29 2 *',
    '*/7 */5 1-9 * 1',
    '0 0 13 * 5',
  ]
  const zones = ['UTC', 'Europe/Berlin', 'America/St_Johns', 'Pacific/Auckland']
  const moments = fc.integer({ min: at('2015-01-01T00:00:00Z'), max: at('2035-01-01T00:00:00Z') })
  fc.assert(
    fc.property(
      fc.constantFrom(...crons),
      fc.constantFrom(...zones),
      moments,
      (cron, timezone, moment) => {
        const schedule = { cron, timezone }
        const latest = latestSlot(schedule, moment as Instant) ?? (0 as Instant)
        const next = nextSlot(schedule, moment as Instant) ?? (0 as Instant)
        expect(latest).toBeLessThanOrEqual(moment)
        expect(next).toBeGreaterThan(moment)
        expect(nextSlot(schedule, latest)).toBe(next)
        expect(latestSlot(schedule, next)).toBe(next)
        expect(latestSlot(schedule, (next - 1) as Instant)).toBe(latest)
      },
    ),
    { numRuns: 400 },
  )
})

describe('missed slots', () => {
  it('are those after the first instant, up to and with the second', () => {
    const schedule = { cron: '0 * * * *', timezone: 'UTC' }
    const count = (from: string, until: string) => missedSlots(schedule, at(from), at(until))
    expect(count('2026-06-15T02:00:00Z', '2026-06-15T05:00:00Z')).toBe(3)
    expect(count('2026-06-15T01:59:59Z', '2026-06-15T04:59:59Z')).toBe(3)
    expect(count('2026-06-15T05:00:00Z', '2026-06-15T05:00:00Z')).toBe(0)
  })
  it('are counted up to a limit', () => {
    const schedule = { cron: '* * * * *', timezone: 'Europe/Berlin' }
    expect(missedSlots(schedule, (now - 365 * DAY) as Instant, now)).toBe(MISSED_LIMIT)
  })
})

describe('a schedule is refused', () => {
  const cases: readonly (readonly [string, string, string | RegExp])[] = [
    ['0 0 30 2 *', 'UTC', '"0 0 30 2 *" can never fire'],
    ['0 0 31 4,6,9,11 *', 'UTC', /can never fire/],
    ['0 0 2 1 1 * 2020', 'UTC', /never fires again: its last slot was 2020-01-01T02:00:00.000Z/],
    ['* * * * * *', 'UTC', '"* * * * * *" fires more than once a minute'],
    ['0,30 0 2 * * *', 'Europe/Berlin', /more than once a minute/],
    ['0,30 0 2 29 2 *', 'UTC', /more than once a minute/],
    ['60 * * * *', 'UTC', '"60 * * * *" is no cron pattern: Invalid value for minute: 60'],
    ['5-1 * * * *', 'UTC', /is no cron pattern/],
    ['manual', 'UTC', /has to have 5, 6 or 7 fields/],
    ['', 'UTC', /has to have 5, 6 or 7 fields/],
    ['* * * *', 'UTC', /has to have 5, 6 or 7 fields/],
    ['2027-01-01T00:00:00', 'UTC', /has to have 5, 6 or 7 fields/],
    ['@reboot', 'UTC', /is no cron pattern/],
    ['@often', 'UTC', /is no cron pattern/],
    ['@daily', 'Europe/Berln', 'unknown time zone "Europe/Berln", did you mean Europe/Berlin?'],
    ['@daily', '', 'unknown time zone ""'],
  ]
  for (const [cron, timezone, words] of cases) {
    it(`when it is "${cron}" in "${timezone}"`, () => {
      expect(scheduleFault({ cron, timezone }, now)).toMatch(words)
    })
  }
  it('and else accepted', () => {
    for (const cron of [
      '0 2 * * *',
      '30 * * * * *',
      '* * * * *',
      '@daily',
      '0 0 29 2 *',
      '0 2 * * MON-FRI',
    ]) {
      expect(scheduleFault({ cron, timezone: 'Europe/Berlin' }, now)).toBeNull()
    }
  })
})
