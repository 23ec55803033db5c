import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LONGEST_REST, nextMoment } from '../../src/core/agenda.ts'
import type { Instant } from '../../src/core/model.ts'
import { narrowing, narrowObserved } from '../../src/core/narrow.ts'
import { groupedBy } from '../../src/core/order.ts'
import { ownersIn } from '../../src/core/owner.ts'
import { plan } from '../../src/core/plan.ts'
import { at, backup, copy, job, lasting, plus } from './plan-nouns.ts'
import { DEPLOYMENT, stories, tell } from './plan-story.ts'
import { observe } from './plan-world.ts'

const RUNS = { numRuns: 200 }
const START = at('2026-11-20T00:30:00Z')
const NOTHING = { backups: [], copies: [] }

describe('the next look at a job', () => {
  it('comes at its slot, at the next try of what failed, and never later than an hour', () => {
    const shop = job('shop')
    const now = at('2026-11-20T01:30:00Z')
    expect(nextMoment(shop, NOTHING, now)).toBe(at('2026-11-20T02:00:00Z'))
    expect(nextMoment(shop, NOTHING, at('2026-11-20T03:00:00Z'))).toBe(
      at('2026-11-20T03:00:00Z') + LONGEST_REST,
    )
    const failed = backup('b1', shop, at('2026-11-20T02:00:00Z'), { status: 'failed' })
    expect(nextMoment(shop, { backups: [failed], copies: [] }, at('2026-11-20T02:00:01Z'))).toBe(
      plus(at('2026-11-20T02:00:00Z'), '1m'),
    )
  })

  it('comes when a copy was last verified too long ago', () => {
    const shop = job(
      'shop',
      {},
      { objectives: { rpo: null, rto: null, verifiedWithin: lasting('7d'), drilledWithin: null } },
    )
    const done = backup('b1', shop, at('2026-11-20T02:00:00Z'))
    const verifiedAt = at('2026-11-20T02:10:00Z')
    const seen = copy(done, 'nas', 'k', { verify: 'ok', verifiedAt })
    const due = plus(verifiedAt, '7d')
    expect(nextMoment(shop, { backups: [done], copies: [seen] }, plus(due, '0s'))).toBe(due + 1)
  })

  it('never misses what time alone makes a job owe', () => {
    fc.assert(
      fc.property(stories, fc.integer({ min: 1, max: 60 }), (story, minutes) => {
        const { world } = tell(story, START)
        const seen = observe(world)
        const owners = ownersIn(seen)
        const owedAt = (now: Instant) =>
          new Set(
            plan(DEPLOYMENT, seen, now)
              .actions.filter(({ kind }) => kind === 'backup' || kind === 'verify')
              .map((action) => `${owners(action)} ${action.kind}`),
          )
        const before = owedAt(world.now)
        const byJob = groupedBy(seen.history.backups, (one) => one.job)
        for (const declared of DEPLOYMENT.jobs) {
          const groups = new Set(declared.sources.map(({ group }) => group))
          const history = {
            backups: byJob.get(declared.id) ?? [],
            copies: seen.history.copies.filter(({ group }) => groups.has(group)),
          }
          const next = nextMoment(declared, history, world.now)
          const then = Math.min(world.now + minutes * 60_000, next - 1) as Instant
          const mine = (owed: ReadonlySet<string>) =>
            [...owed].filter((one) => one.startsWith(`${declared.id} `) && !before.has(one))
          expect(mine(owedAt(then))).toEqual([])
        }
      }),
      RUNS,
    )
  })
})

describe('a plan of a part of the config', () => {
  it('says of its jobs what a plan of the whole says', () => {
    const part = narrowing(DEPLOYMENT)
    fc.assert(
      fc.property(stories, (story) => {
        const { world } = tell(story, START)
        const seen = observe(world)
        const owners = ownersIn(seen)
        for (const { id } of DEPLOYMENT.jobs) {
          const narrow = part(new Set([id]))
          const own = (desired: typeof DEPLOYMENT, observed: typeof seen) =>
            plan(desired, observed, world.now).actions.filter((one) => owners(one) === id)
          expect(own(narrow, narrowObserved(seen, narrow))).toEqual(own(DEPLOYMENT, seen))
        }
      }),
      RUNS,
    )
  })

  it('holds whoever files under the same groups, and the name that a job had before', () => {
    const shop = job('shop', {}, { retry: { attempts: 1, within: lasting('1h') } })
    const [files] = shop.sources
    if (!files) throw new Error('a job has a source')
    const twin = { ...job('twin'), sources: [files] }
    const renamed = job('new', {}, { renamedFrom: shop.id })
    const other = job('other')
    const all = { ...DEPLOYMENT, jobs: [shop, twin, renamed, other] }
    const names = (...of: (typeof shop)[]) =>
      narrowing(all)(new Set(of.map(({ id }) => id)))
        .jobs.map(({ id }) => id)
        .sort()
    expect(names(other)).toEqual(['other'])
    expect(names(shop)).toEqual(['new', 'shop', 'twin'])
    expect(names(renamed)).toEqual(['new', 'shop', 'twin'])
  })
})
