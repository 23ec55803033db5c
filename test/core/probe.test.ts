import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Instant } from '../../src/core/model.ts'
import {
  clockDifference,
  clockVerdict,
  isProbe,
  PROBES,
  probeBegunAt,
  probeFolder,
  verdictOf,
} from '../../src/core/probe.ts'
import { at, plus } from './plan-nouns.ts'

const NOW = at('2026-11-20T12:00:00Z')

describe('the key of a probe', () => {
  it('tells when its test began, to whoever finds it', () => {
    const instants = fc.integer({ min: 0, max: Date.parse('2999-01-01') })
    fc.assert(
      fc.property(instants, fc.stringMatching(/^[a-z0-9]{1,20}$/), (begunAt, id) => {
        const folder = probeFolder(begunAt as Instant, id)
        expect(probeBegunAt(`${folder}small`)).toBe(begunAt)
        expect(isProbe(folder)).toBe(false)
      }),
    )
  })

  it('is no key that anything else has', () => {
    for (const key of [
      'system/shop/db/2026-11-20T02-00-00-000Z.sqlite.zst',
      `${PROBES}small`,
      `${PROBES}mine/small`,
      `${PROBES}2026-02-30T02-00-00-000Z-abc/small`,
      `${PROBES}2026-11-20T02-00-00-000Z-abc/deep/small`,
      `x/${probeFolder(NOW, 'abc')}small`,
    ]) {
      expect([key, isProbe(key)]).toEqual([key, false])
    }
  })
})

describe('a clock', () => {
  it('is ours while it tells a time within the write and a second around it', () => {
    const difference = (from: number) =>
      clockDifference((NOW + from) as Instant, NOW, plus(NOW, '5s'))
    expect([-1000, 0, 5000, 6000].map(difference)).toEqual([0, 0, 0, 0])
    expect(difference(-1001)).toBe(-1001)
    expect(difference(6001)).toBe(1001)
  })

  it('is worth a word beyond a minute, and fails where requests are signed with the time', () => {
    const minute = 60_000
    for (const side of [1, -1]) {
      expect(clockVerdict('s3', side * minute)).toBe('ok')
      expect(clockVerdict('s3', side * (minute + 1))).toBe('warn')
      expect(clockVerdict('r2', side * (15 * minute + 1))).toBe('failed')
      expect(clockVerdict('ssh', side * (15 * minute + 1))).toBe('warn')
    }
  })
})

describe('the verdict on a target', () => {
  it('is that of its worst step; what was skipped is no fault', () => {
    const of = (...verdicts: readonly ('ok' | 'warn' | 'failed' | 'skipped')[]) =>
      verdictOf({
        steps: verdicts.map((verdict) => ({
          step: 'reach' as const,
          verdict,
          durationMs: 1,
          message: '',
          error: null,
          figures: {},
        })),
      })
    expect(of('ok', 'skipped')).toBe('ok')
    expect(of('ok', 'warn', 'skipped')).toBe('warn')
    expect(of('warn', 'failed', 'skipped')).toBe('failed')
  })
})
