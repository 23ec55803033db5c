import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Instant } from '../../src/lib/brand.ts'
import {
  formatDuration,
  iso,
  keyTimestamp,
  parseDuration,
  parseInstant,
} from '../../src/lib/time.ts'

const SECOND = 1000
const DAY = 86_400 * SECOND

describe('a duration', () => {
  it('has a unit, or several joined', () => {
    const cases = {
      '350ms': 350,
      '30s': 30 * SECOND,
      '5m': 300 * SECOND,
      '2h': 7200 * SECOND,
      '7d': 7 * DAY,
      '2w': 14 * DAY,
      '12mo': 360 * DAY,
      '1y': 365 * DAY,
      '1h30m': 5400 * SECOND,
      '0s': 0,
    }
    for (const [text, millis] of Object.entries(cases)) expect(parseDuration(text)).toBe(millis)
  })
  it('is nothing else', () => {
    for (const text of [
      '',
      '5',
      'h',
      '5 m',
      '-5m',
      '1.5h',
      '5M',
      '5min',
      '2h 30m',
      '9999999999999y',
    ]) {
      expect(parseDuration(text)).toBeNull()
    }
  })
  it('is written with its two largest units', () => {
    const cases = {
      '0ms': 0,
      '350ms': 350,
      '1.5s': 1500,
      '9s': 9 * SECOND,
      '59s': 59 * SECOND,
      '1m': 59_999.6,
      '1h30m': 5400 * SECOND,
      '7d': 7 * DAY,
      '1d2h': DAY + 7200 * SECOND + 180 * SECOND,
    }
    for (const [text, millis] of Object.entries(cases)) expect(formatDuration(millis)).toBe(text)
  })
  it('reads back as it was written, where two units say it', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 5000 }),
        fc.integer({ min: 0, max: 23 }),
        (days, hours) => {
          const millis = days * DAY + hours * 3600 * SECOND
          expect(parseDuration(formatDuration(millis))).toBe(millis)
        },
      ),
    )
  })
})

describe('an instant', () => {
  const at = Date.parse('2026-11-20T02:00:00.123Z') as Instant

  it('is ISO 8601 with a zone, a day alone, or the timestamp of a key', () => {
    expect(parseInstant('2026-11-20T02:00:00.123Z')).toBe(at)
    expect(parseInstant('2026-11-20T03:00:00.123+01:00')).toBe(at)
    expect(parseInstant('2026-11-20T02-00-00-123Z')).toBe(at)
    expect(parseInstant('2026-11-20T02:00Z')).toBe(at - 123)
    expect(parseInstant('2026-11-20')).toBe(Date.parse('2026-11-20T00:00:00Z'))
    expect(parseInstant('2028-02-29')).toBe(Date.parse('2028-02-29T00:00:00Z'))
  })
  it('is nothing else', () => {
    for (const text of [
      ...['', 'latest', '2026', '2026-11', '2026-11-20T02:00:00', '2026-11-20 02:00:00Z'],
      ...['2026-02-29', '2026-02-30T00:00:00Z', '2026-04-31T12:00:00+02:00', '2026-13-01'],
      ...['2026-11-20T25:00:00Z', '2026-11-20T02-00-00Z', '1763604000123', '2026-11-20Z'],
    ]) {
      expect(parseInstant(text)).toBeNull()
    }
  })
  it('reads back as it is written in logs and in keys', () => {
    const max = Date.parse('9999-12-31T23:59:59.999Z')
    fc.assert(
      fc.property(fc.integer({ min: Date.parse('0001-01-01T00:00:00Z'), max }), (millis) => {
        expect(parseInstant(iso(millis as Instant))).toBe(millis)
        expect(parseInstant(keyTimestamp(millis as Instant))).toBe(millis)
      }),
    )
  })
  it('sorts in keys as in time', () => {
    const early = keyTimestamp((at - 1) as Instant)
    expect(early < keyTimestamp(at)).toBe(true)
    expect(keyTimestamp(at)).toBe('2026-11-20T02-00-00-123Z')
  })
})
