import { describe, expect, it } from 'vitest'
import { expectedInterval } from '../../src/core/interval.ts'
import type { Instant } from '../../src/core/model.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR

function interval(cron: string, now = '2026-11-21T10:07:00Z', timezone = 'UTC') {
  return expectedInterval({ cron, timezone }, Date.parse(now) as Instant)
}

describe('the expected interval of a schedule', () => {
  it.each([
    ['*/5 * * * *', HOUR / 12],
    ['0 * * * *', HOUR],
    ['0 2 * * *', DAY],
    ['0 2,14 * * *', DAY / 2],
    ['0 2,3 * * *', 23 * HOUR],
    ['0 2 * * 1', 7 * DAY],
    ['0 2 * * 1-5', 3 * DAY],
    ['0 2 1 * *', 31 * DAY],
    ['0 2 1 1 *', 366 * DAY],
  ])('%s is %d ms: its longest pause', (cron, expected) => {
    expect(interval(cron)).toBe(expected)
  })

  it.each([0, 3, 8, 12, 17, 20, 23])('finds the pause of a night from %d h on', (hour) => {
    const now = `2026-11-18T${String(hour).padStart(2, '0')}:31:00Z`
    expect(interval('*/5 9-17 * * *', now)).toBe(15 * HOUR + HOUR / 12)
    expect(interval('*/5 0-15 * * *', now)).toBe(8 * HOUR + HOUR / 12)
    expect(interval('*/5 9-17 * * 1-5', now)).toBe(63 * HOUR + HOUR / 12)
  })

  it('goes by the clock of its zone: the day that is longer by an hour counts', () => {
    expect(interval('0 12 * * *', '2026-10-22T00:00:00Z', 'Europe/Berlin')).toBe(25 * HOUR)
  })

  it('of a schedule that has no other slot is none', () => {
    expect(interval('0 0 2 1 1 * 2027')).toBe(null)
    expect(interval('0 0 2 1 1 * 2020')).toBe(null)
  })
})
