import { describe, expect, it } from 'vitest'
import { BUCKET_OF, type Period } from '../../src/core/calendar.ts'

function together(period: Period, one: string, other: string): boolean {
  return BUCKET_OF[period](Date.parse(one)) === BUCKET_OF[period](Date.parse(other))
}

describe('buckets', () => {
  it('begin weeks on Monday, whatever the year', () => {
    expect(together('weekly', '2026-12-28T00:00:00Z', '2027-01-03T23:59:59Z')).toBe(true)
    expect(together('weekly', '2026-12-27T23:59:59Z', '2026-12-28T00:00:00Z')).toBe(false)
    expect(together('weekly', '2027-01-03T23:59:59Z', '2027-01-04T00:00:00Z')).toBe(false)
    expect(together('weekly', '1969-12-29T00:00:00Z', '1970-01-04T23:59:59Z')).toBe(true)
    expect(together('weekly', '1969-12-28T23:59:59Z', '1969-12-29T00:00:00Z')).toBe(false)
  })
  it('end months and years at their last millisecond', () => {
    expect(together('monthly', '2028-02-29T23:59:59.999Z', '2028-02-01T00:00:00Z')).toBe(true)
    expect(together('monthly', '2028-02-29T23:59:59.999Z', '2028-03-01T00:00:00Z')).toBe(false)
    expect(together('monthly', '2027-02-01T00:00:00Z', '2028-02-01T00:00:00Z')).toBe(false)
    expect(together('yearly', '2027-12-31T23:59:59.999Z', '2028-01-01T00:00:00Z')).toBe(false)
  })
  it('grow with time, one by one', () => {
    for (const period of ['hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const) {
      let before = BUCKET_OF[period](Date.parse('1968-01-01T00:00:00Z'))
      for (let hour = 1; hour < 24 * 366 * 5; hour++) {
        const bucket = BUCKET_OF[period](Date.parse('1968-01-01T00:00:00Z') + hour * 3_600_000)
        if (bucket !== before && bucket !== before + 1) expect(bucket).toBe(before + 1)
        before = bucket
      }
    }
  })
})
