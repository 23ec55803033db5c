import fc from 'fast-check'
import type { Instant, Millis, Retention } from '../../src/core/model.ts'
import type { Retained } from '../../src/core/retention.ts'

export const noRules: Retention = {
  keepAll: false,
  keepLast: null,
  keepHourly: null,
  keepDaily: null,
  keepWeekly: null,
  keepMonthly: null,
  keepYearly: null,
  keepWithin: null,
  keepWithinHourly: null,
  keepWithinDaily: null,
  keepWithinWeekly: null,
  keepWithinMonthly: null,
  keepWithinYearly: null,
  keepAtLeast: 1,
  timezone: 'UTC',
}

export const countRules = [
  'keepLast',
  'keepHourly',
  'keepDaily',
  'keepWeekly',
  'keepMonthly',
  'keepYearly',
] as const
export const ageRules = [
  'keepWithin',
  'keepWithinHourly',
  'keepWithinDaily',
  'keepWithinWeekly',
  'keepWithinMonthly',
  'keepWithinYearly',
] as const

export const now = Date.parse('2026-11-20T12:00:00Z') as Instant
const HOUR = 3_600_000

/** Copies of one group: crowded and scattered, equal instants, some in the future. */
export const anyCopies: fc.Arbitrary<readonly Retained<string>[]> = fc
  .array(
    fc.record({
      age: fc.oneof(fc.integer({ min: -5, max: 60 }), fc.integer({ min: 0, max: 20_000 })),
      verified: fc.boolean(),
      pinned: fc.integer({ min: 0, max: 9 }),
    }),
    { maxLength: 60 },
  )
  .map((rows) =>
    rows.map(({ age, verified, pinned }, index) => ({
      item: `copy-${index}`,
      key: `copy-${index}`,
      takenAt: (now - age * HOUR) as Instant,
      verifiedAt: verified ? now : null,
      pinned: pinned === 0,
    })),
  )

const anyCount = fc.option(fc.integer({ min: 0, max: 9 }), { freq: 2 })
const anyAge = fc.option(
  fc.integer({ min: 0, max: 10_000 }).map((hours) => (hours * HOUR) as Millis),
  { freq: 1 },
)

/** Any policy with at least one rule. */
export const anyPolicy: fc.Arbitrary<Retention> = fc
  .record({
    counts: fc.tuple(anyCount, anyCount, anyCount, anyCount, anyCount, anyCount),
    ages: fc.tuple(anyAge, anyAge, anyAge, anyAge, anyAge, anyAge),
    keepAtLeast: fc.integer({ min: 1, max: 8 }),
    timezone: fc.constantFrom('UTC', 'Europe/Berlin', 'America/St_Johns', 'Pacific/Apia'),
  })
  .map(({ counts, ages, keepAtLeast, timezone }) => ({
    ...noRules,
    ...Object.fromEntries(countRules.map((rule, index) => [rule, counts[index] ?? null])),
    ...Object.fromEntries(ageRules.map((rule, index) => [rule, ages[index] ?? null])),
    keepAtLeast,
    timezone,
  }))
  .map((policy) => (hasRule(policy) ? policy : { ...policy, keepLast: 0 }))

function hasRule(policy: Retention): boolean {
  return [...countRules, ...ageRules].some((rule) => policy[rule] !== null)
}
