import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Instant, Millis, Retention } from '../../src/core/model.ts'
import { decideRetention, describePolicy, type Retained } from '../../src/core/retention.ts'
import { ageRules, anyCopies, anyPolicy, countRules, noRules, now } from './retention-cases.ts'

const DAY = 86_400_000 as Millis

function keptOf(copies: readonly Retained<string>[], policy: Retention, at: Instant = now) {
  return new Set(decideRetention(copies, policy, at).keep.map(({ item }) => item))
}

function lawOf(law: (copies: readonly Retained<string>[], policy: Retention) => void) {
  fc.assert(fc.property(anyCopies, anyPolicy, law), { numRuns: 300 })
}

describe('retention', () => {
  it('decides on every copy once, with a reason for each that stays, newest first', () => {
    lawOf((copies, policy) => {
      const { keep, drop } = decideRetention(copies, policy, now)
      const items = [...keep.map(({ item }) => item), ...drop]
      expect(items.toSorted()).toEqual(copies.map(({ item }) => item).toSorted())
      expect(keep.every(({ reasons }) => reasons.length > 0)).toBe(true)
      const taken = new Map(copies.map(({ item, takenAt }) => [item, takenAt]))
      for (const list of [keep.map(({ item }) => item), drop]) {
        const order = list.map((item) => -(taken.get(item) ?? 0))
        expect(order).toEqual(order.toSorted((a, b) => a - b))
      }
    })
  })

  it('never keeps fewer than keep_at_least, and the newest are among them', () => {
    lawOf((copies, policy) => {
      const kept = keptOf(copies, policy)
      const past = copies.filter(({ takenAt }) => takenAt <= now)
      const keptPast = past.filter(({ item }) => kept.has(item))
      expect(keptPast.length).toBeGreaterThanOrEqual(Math.min(policy.keepAtLeast, past.length))
      const newest = Math.max(...past.map(({ takenAt }) => takenAt))
      if (past.length > 0) expect(keptPast.some(({ takenAt }) => takenAt === newest)).toBe(true)
    })
  })

  it('never drops the newest verified copy, a pinned one, or one from the future', () => {
    lawOf((copies, policy) => {
      const dropped = new Set(decideRetention(copies, policy, now).drop)
      const gone = copies.filter(({ item }) => dropped.has(item))
      expect(gone.some(({ pinned, takenAt }) => pinned || takenAt > now)).toBe(false)
      const verified = copies.filter((one) => one.verifiedAt !== null && one.takenAt <= now)
      const newest = Math.max(...verified.map(({ takenAt }) => takenAt))
      const proofs = verified.filter(({ takenAt }) => takenAt === newest)
      if (proofs.length > 0) expect(proofs.every(({ item }) => dropped.has(item))).toBe(false)
    })
  })

  it('does not depend on the order of the input', () => {
    fc.assert(
      fc.property(
        anyCopies.chain((copies) =>
          fc.tuple(
            fc.constant(copies),
            fc.shuffledSubarray([...copies], { minLength: copies.length }),
          ),
        ),
        anyPolicy,
        ([copies, shuffled], policy) => {
          expect(decideRetention(shuffled, policy, now)).toEqual(
            decideRetention(copies, policy, now),
          )
        },
      ),
      { numRuns: 300 },
    )
  })

  it('drops nothing more when asked again about what it kept, and gives the same reasons', () => {
    lawOf((copies, policy) => {
      const { keep } = decideRetention(copies, policy, now)
      const kept = new Set(keep.map(({ item }) => item))
      const again = decideRetention(
        copies.filter(({ item }) => kept.has(item)),
        policy,
        now,
      )
      expect(again).toEqual({ keep, drop: [] })
    })
  })

  it('never drops more for a pin, and less by that copy alone', () => {
    fc.assert(
      fc.property(anyCopies, anyPolicy, fc.nat(), (copies, policy, pick) => {
        const chosen = copies[pick % Math.max(1, copies.length)]?.item
        const pinned = copies.map((one) => (one.item === chosen ? { ...one, pinned: true } : one))
        const before = new Set(decideRetention(copies, policy, now).drop)
        if (chosen !== undefined) before.delete(chosen)
        expect(new Set(decideRetention(pinned, policy, now).drop)).toEqual(before)
      }),
      { numRuns: 300 },
    )
  })

  it('never drops more for a rule that is added or widened', () => {
    const rules = [...countRules, ...ageRules]
    fc.assert(
      fc.property(
        anyCopies,
        anyPolicy,
        fc.constantFrom(...rules, 'keepAtLeast' as const),
        fc.integer({ min: 0, max: 400 }),
        (copies, policy, rule, more) => {
          const unit = rule.startsWith('keepWithin') ? DAY : 1
          const wider = { ...policy, [rule]: (policy[rule] ?? 0) + more * unit }
          const kept = keptOf(copies, wider)
          expect([...keptOf(copies, policy)].filter((item) => !kept.has(item))).toEqual([])
        },
      ),
      { numRuns: 500 },
    )
  })

  it('keeps the same by ages however long no backup is made', () => {
    lawOf((copies, policy) => {
      const past = copies.filter(({ takenAt }) => takenAt <= now)
      const later = (now + 5000 * DAY) as Instant
      expect(decideRetention(past, policy, later)).toEqual(decideRetention(past, policy, now))
    })
  })

  it('keeps no more than the declared number of last copies', () => {
    lawOf((copies, policy) => {
      const only = { ...noRules, keepLast: policy.keepLast ?? 3 }
      const { keep } = decideRetention(copies, only, now)
      const counted = keep.filter(({ reasons }) => reasons.some((one) => one.startsWith('last-')))
      const past = copies.filter(({ takenAt }) => takenAt <= now)
      expect(counted).toHaveLength(Math.min(only.keepLast, past.length))
    })
  })

  it('says nothing about nothing', () => {
    expect(decideRetention([], { ...noRules, keepLast: 1 }, now)).toEqual({ keep: [], drop: [] })
  })
})

describe('a policy in words', () => {
  const cases: readonly (readonly [Partial<Retention>, string])[] = [
    [
      { keepLast: 1, keepDaily: 7, keepWeekly: 1, keepMonthly: 1 },
      'last 1, daily 7, weekly 1, monthly 1',
    ],
    [{}, 'keep all'],
    [{ keepAll: true, keepLast: 3 }, 'keep all'],
    [{ keepLast: 0 }, 'last 0'],
    [
      { keepWithin: (30 * DAY) as Millis, keepWithinDaily: (90 * DAY) as Millis },
      'within 30d, within daily 90d',
    ],
    [
      { keepDaily: 7, keepAtLeast: 3, timezone: 'Europe/Berlin' },
      'daily 7, at least 3, in Europe/Berlin',
    ],
  ]
  for (const [rules, words] of cases) {
    it(`reads "${words}" for ${JSON.stringify(rules)}`, () => {
      expect(describePolicy({ ...noRules, ...rules })).toBe(words)
    })
  }
})
