import { describe, expect, it } from 'vitest'
import type { Instant } from '../../src/core/model.ts'
import { instantOf, latestWall, zoneFault, zoneOf } from '../../src/core/zone.ts'

const at = (text: string) => Date.parse(text) as Instant
const HOUR = 3_600_000

describe('a zone', () => {
  it('shows the wall clock of its place', () => {
    const wall = (zone: string, utc: string) => new Date(zoneOf(zone).wallOf(at(utc))).toISOString()
    expect(wall('UTC', '2026-07-01T12:00:00Z')).toBe('2026-07-01T12:00:00.000Z')
    expect(wall('Europe/Berlin', '2026-07-01T12:00:00Z')).toBe('2026-07-01T14:00:00.000Z')
    expect(wall('America/St_Johns', '2026-01-01T12:00:00Z')).toBe('2026-01-01T08:30:00.000Z')
    expect(wall('Asia/Kathmandu', '2026-01-01T12:00:00.123Z')).toBe('2026-01-01T17:45:00.123Z')
  })

  it('tells each change of its clocks to the instant, in order', () => {
    const changes = zoneOf('Europe/Berlin').transitions(
      at('2026-01-01T00:00:00Z'),
      at('2027-01-01T00:00:00Z'),
    )
    expect(changes).toEqual([
      { at: at('2026-03-29T01:00:00Z'), before: HOUR, after: 2 * HOUR },
      { at: at('2026-10-25T01:00:00Z'), before: 2 * HOUR, after: HOUR },
    ])
  })

  it('tells changes after the first instant, up to and with the second', () => {
    const change = at('2026-03-29T01:00:00Z')
    const { transitions } = zoneOf('Europe/Berlin')
    expect(transitions(change, change + HOUR)).toEqual([])
    expect(transitions(change - 1, change)).toHaveLength(1)
  })

  it('tells two changes that lie a week apart', () => {
    const changes = zoneOf('America/Recife').transitions(
      at('2000-10-01T00:00:00Z'),
      at('2000-11-01T00:00:00Z'),
    )
    expect(changes.map(({ after }) => after / HOUR)).toEqual([-2, -3])
  })

  it('agrees with Intl at every hour of two years', () => {
    for (const name of [
      'America/New_York',
      'Australia/Lord_Howe',
      'Africa/Casablanca',
      'Asia/Gaza',
    ]) {
      const zone = zoneOf(name)
      const format = new Intl.DateTimeFormat('sv-SE', {
        timeZone: name,
        dateStyle: 'short',
        timeStyle: 'medium',
      })
      const begin = at('2025-01-01T00:00:00Z')
      for (let now = begin; now < begin + 730 * 24 * HOUR; now = (now + HOUR) as Instant) {
        const shown = new Date(zone.wallOf(now)).toISOString().slice(0, 19).replace('T', ' ')
        if (shown !== format.format(now)) expect(shown).toBe(format.format(now))
      }
    }
  })

  it('has the name of a place that Intl knows', () => {
    expect(zoneFault('UTC')).toBeNull()
    expect(zoneFault('Pacific/Apia')).toBeNull()
    expect(zoneFault('Europe/Berln')).toContain('did you mean Europe/Berlin?')
    expect(zoneFault('nowhere at all')).toBe('unknown time zone "nowhere at all"')
    expect(() => zoneOf('Mars/Olympus')).toThrow(RangeError)
  })
})

describe('the instant of a wall time', () => {
  const berlin = zoneOf('Europe/Berlin')
  const instant = (wall: string) => new Date(instantOf(berlin, at(wall))).toISOString()

  it('is the end of the gap for a time that is jumped over', () => {
    expect(instant('2026-03-29T01:59:59Z')).toBe('2026-03-29T00:59:59.000Z')
    expect(instant('2026-03-29T02:00:00Z')).toBe('2026-03-29T01:00:00.000Z')
    expect(instant('2026-03-29T02:30:00Z')).toBe('2026-03-29T01:00:00.000Z')
    expect(instant('2026-03-29T03:00:00Z')).toBe('2026-03-29T01:00:00.000Z')
    expect(instant('2026-03-29T03:00:01Z')).toBe('2026-03-29T01:00:01.000Z')
  })

  it('is the first of the two for a time that is shown twice', () => {
    expect(instant('2026-10-25T02:00:00Z')).toBe('2026-10-25T00:00:00.000Z')
    expect(instant('2026-10-25T02:59:59Z')).toBe('2026-10-25T00:59:59.000Z')
    expect(instant('2026-10-25T03:00:00Z')).toBe('2026-10-25T02:00:00.000Z')
  })

  it('comes no later than the latest wall time of an instant, and no sooner', () => {
    for (const zone of ['Europe/Berlin', 'Pacific/Apia', 'Australia/Lord_Howe'].map(zoneOf)) {
      for (const day of ['2011-12-29', '2026-03-28', '2026-04-04', '2026-10-03', '2026-10-24']) {
        for (let step = 0; step < 288; step++) {
          const now = (at(`${day}T00:00:00Z`) + step * 600_000) as Instant
          const latest = latestWall(zone, now)
          expect(instantOf(zone, latest)).toBeLessThanOrEqual(now)
          expect(instantOf(zone, latest + 1)).toBeGreaterThan(now)
        }
      }
    }
  })
})
