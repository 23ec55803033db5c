import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Named, patienceOf, type Standing } from '../../src/core/placement.ts'
import { job } from './plan-nouns.ts'

const NAMES = ['a', 'b', 'c'] as const
const named = (name: string, labels: readonly string[] = []): Named => ({ name, labels })
const daemons = NAMES.map((name) => named(name, name === 'c' ? ['nas'] : []))
const shared = { daemons, isBound: false, isSeen: false, keeper: null }
const standing = (name: string, changes: Partial<Standing> = {}): Standing => ({
  self: daemons.find((one) => one.name === name) ?? named(name),
  ...shared,
  ...changes,
})

describe('who runs a job', () => {
  it('is one instance at once, and every other one after a while, for what any can reach', () => {
    fc.assert(
      fc.property(fc.string(), (name) => {
        const waits = NAMES.map((self) => patienceOf(job(name), standing(self)))
        expect(waits.filter((wait) => wait === 0)).toHaveLength(1)
        expect(waits.every((wait) => wait !== null && wait <= 3_000)).toBe(true)
      }),
    )
  })

  it('spreads over the instances', () => {
    const jobs = Array.from({ length: 300 }, (_, index) => job(`job-${index}`))
    for (const self of NAMES) {
      const own = jobs.filter((one) => patienceOf(one, standing(self)) === 0)
      expect(own.length).toBeGreaterThan(60)
    }
  })

  it('moves only the jobs of an instance that is gone', () => {
    const jobs = Array.from({ length: 100 }, (_, index) => job(`job-${index}`))
    const left = daemons.filter(({ name }) => name !== 'b')
    for (const one of jobs) {
      if (patienceOf(one, standing('a')) !== 0) continue
      expect(patienceOf(one, standing('a', { daemons: left }))).toBe(0)
    }
  })

  it('is never anybody else than `on` says', () => {
    for (const on of [['c'], ['nas'], ['nowhere', 'nas']]) {
      const asked = job('shop', {}, { on })
      expect(NAMES.map((self) => patienceOf(asked, standing(self)))).toEqual([null, null, 0])
    }
  })

  it('is for a source on one host whoever had it last, and nobody else while that one lives', () => {
    const bound = { isBound: true, isSeen: true, keeper: 'b' }
    expect(NAMES.map((self) => patienceOf(job('shop'), standing(self, bound)))).toEqual([
      null,
      0,
      null,
    ])
    const left = { ...bound, daemons: daemons.filter(({ name }) => name !== 'b') }
    expect(patienceOf(job('shop'), standing('a', left))).toBe(0)
  })

  it('is in the end an instance that does not see the source, rather than nobody', () => {
    const unseen = { isBound: true, isSeen: false, keeper: null }
    const waits = NAMES.map((self) => patienceOf(job('shop'), standing(self, unseen)))
    expect(waits).toEqual([60_000, 60_000, 60_000])
    expect(patienceOf(job('shop'), standing('a', { ...unseen, isSeen: true }))).toBe(0)
  })
})
