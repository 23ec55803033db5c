import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Action, Plan } from '../../src/core/action.ts'
import { manifestKey } from '../../src/core/archive-key.ts'
import type { Desired, Instant } from '../../src/core/model.ts'
import type { Listing, Observed } from '../../src/core/observed.ts'
import { plan, pruneOlderThan } from '../../src/core/plan.ts'
import { at, plus, retention } from './plan-nouns.ts'
import { DEPLOYMENT, stories, type Told, tell } from './plan-story.ts'
import { act, observe } from './plan-world.ts'

const START = at('2026-11-20T00:30:00Z')
const RUNS = { numRuns: 300 }

/** Plans that would be no reason for a deed of their own, nor for another one in another plan. */
const FINAL = new Set<Action['kind']>([
  'missing',
  'debris',
  'skip',
  'abandon',
  'prune',
  'prune-blocked',
])

/** What becomes of attempts whose owner is gone is settled before anything is deleted. */
const JUDGED = new Set<Action['kind']>(['adopt', 'abandon'])

describe('a plan, whatever happened before', () => {
  it('is the same for the same facts in any order', () => {
    fc.assert(
      fc.property(stories, fc.integer(), (story, seed) => {
        const { world } = tell(story, START)
        const seen = observe(world)
        const shuffled = plan(
          shuffledDesired(DEPLOYMENT, seed),
          shuffledObserved(seen, seed),
          world.now,
        )
        expect(shuffled).toEqual(plan(DEPLOYMENT, seen, world.now))
      }),
      RUNS,
    )
  })

  it('asks for nothing more once it was done often enough', () => {
    fc.assert(
      fc.property(stories, (story) => {
        const { world } = tell(story, START)
        let left: readonly Action[] = []
        for (let round = 0; round < 6; round++) {
          const next = plan(DEPLOYMENT, observe(world), world.now)
          left = deeds(next)
          act(world, next)
        }
        expect(left).toEqual([])
      }),
      RUNS,
    )
  })

  it('asks for nothing more at once, when it only cleared away', () => {
    fc.assert(
      fc.property(stories, (story) => {
        const { world } = tell(story, START)
        const first = plan(DEPLOYMENT, observe(world), world.now)
        if (!first.actions.every(({ kind }) => FINAL.has(kind))) return
        act(world, first)
        // Only this may follow: what was verified last may be among what was deleted.
        const next = deeds(plan(DEPLOYMENT, observe(world), world.now))
        expect(next.filter(({ kind }) => kind !== 'verify')).toEqual([])
      }),
      RUNS,
    )
  })

  it('never deletes on the word of a target that it could not look at', () => {
    forEachDeletion((told, deletion) => {
      for (const { target } of deletion.drop) {
        expect(told.world.shelves.get(target)?.state).toBe('listed')
      }
    })
  })

  it('never deletes the newest verified copy, a pinned one, or one below keep_at_least', () => {
    forEachDeletion(({ world }, { drop, keep, target, subject }, desired) => {
      const gone = new Set(drop.map((one) => one.key))
      const all = [...drop, ...keep.map((one) => one.copy)].sort((a, b) => b.takenAt - a.takenAt)
      const verified = all.find((one) => one.verify === 'ok')
      expect(verified && gone.has(verified.key)).not.toBe(true)
      for (const key of world.shelves.get(target)?.pins.keys() ?? [])
        expect(gone).not.toContain(key)
      const policy = desired.jobs
        .find((one) => one.id === subject)
        ?.targets.find((one) => one.target === target)?.retention
      expect(keep.length).toBeGreaterThanOrEqual(Math.min(all.length, policy?.keepAtLeast ?? 1))
    })
  })

  it('never deletes after a failed attempt, and never more than max_delete unless confirmed', () => {
    forEachDeletion(({ world }, { drop, keep, group, subject }, desired) => {
      const before = plan(DEPLOYMENT, observe(world), world.now)
      act(world, { ...before, actions: before.actions.filter(({ kind }) => JUDGED.has(kind)) })
      const last = [...world.backups.values()]
        .filter((one) => one.group === group && /success|failed/.test(one.status))
        .sort((a, b) => a.startedAt - b.startedAt || (a.id < b.id ? -1 : 1))
        .at(-1)
      expect(last?.status).toBe('success')
      const limit = desired.jobs.find((one) => one.id === subject)?.maxDelete ?? 0
      expect(drop.length / (drop.length + keep.length)).toBeLessThanOrEqual(limit)
    })
  })

  it('never deletes a copy that waits for its twin before the twin was complete', () => {
    forEachDeletion(({ world }, { drop, target, subject }, desired) => {
      const job = desired.jobs.find((one) => one.id === subject)
      const after = job?.targets.find((one) => one.target === target)?.prunedAfter
      if (after === undefined) return
      const shelf = world.shelves.get(after)
      for (const { backup } of drop) {
        const twins = [...world.copies.values()].filter(
          (one) => one.backup === backup && one.target === after,
        )
        const isThere = (key: string) =>
          shelf?.objects.has(key) && shelf.objects.has(manifestKey(key))
        expect(
          twins.some(
            ({ status, key }) => status === 'pruned' || (status === 'complete' && isThere(key)),
          ),
        ).toBe(true)
      }
    })
  })

  it('never names a foreign object', () => {
    fc.assert(
      fc.property(stories, (story) => {
        const { world, foreign } = tell(story, START)
        const { actions } = plan(DEPLOYMENT, observe(world), world.now)
        const told = JSON.stringify(actions)
        for (const name of foreign) expect(told).not.toContain(name)
      }),
      RUNS,
    )
  })
})

describe('a month of days with failures and deaths', () => {
  it('has each slot succeed once', () => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.nat(9)), (dice) => {
        const { world } = tell([], START)
        world.fate = () => {
          const roll = dice.next().value ?? 9
          return roll < 2
            ? 'failed'
            : roll < 3
              ? 'killed-before-manifest'
              : roll < 4
                ? 'killed-after-manifest'
                : 'success'
        }
        for (let step = 0; step < 30 * 24 * 2; step++) {
          world.now = plus(world.now, '30m')
          act(world, plan(DEPLOYMENT, observe(world), world.now))
        }
        const successes = [...world.backups.values()]
          .filter((one) => one.status === 'success' && one.slot !== null)
          .map((one) => `${one.job} ${one.source} ${one.slot}`)
        expect(new Set(successes).size).toBe(successes.length)
        expect(successes.length).toBeGreaterThan(100)
        for (const { attempt } of world.backups.values()) expect(attempt).toBeLessThanOrEqual(3)
      }),
      { numRuns: 6 },
    )
  })
})

type Deletion = Extract<Action, { kind: 'prune' }>

/** The same deployment with a retention that keeps far less: what a person would edit it to. */
const TIGHTER: Desired = {
  ...DEPLOYMENT,
  jobs: DEPLOYMENT.jobs.map((job) => ({
    ...job,
    maxDelete: 0.8,
    targets: job.targets.map((one) => ({
      ...one,
      retention: retention({ keepLast: 1, keepAtLeast: one.retention.keepAtLeast }),
    })),
  })),
}

function forEachDeletion(check: (told: Told, deletion: Deletion, desired: Desired) => void): void {
  let seen = 0
  fc.assert(
    fc.property(stories, (story) => {
      const told = tell(story, START)
      const { now } = told.world
      const seenNow = observe(told.world)
      const before = (now - 86_400_000) as Instant
      for (const desired of [DEPLOYMENT, TIGHTER]) {
        const plans = [plan(desired, seenNow, now), pruneOlderThan(desired, seenNow, before, now)]
        for (const deletion of plans.flatMap((one) => one.actions)) {
          if (deletion.kind !== 'prune') continue
          seen++
          check(told, deletion, desired)
        }
      }
    }),
    RUNS,
  )
  expect(seen).toBeGreaterThan(100)
}

function deeds({ actions }: Plan): readonly Action[] {
  return actions.filter(({ kind }) => kind !== 'prune-blocked')
}

function shuffledDesired(desired: Desired, seed: number): Desired {
  const jobs = shuffled(desired.jobs, seed).map((job) => ({
    ...job,
    targets: shuffled(job.targets, seed),
  }))
  return { ...desired, targets: shuffled(desired.targets, seed), jobs }
}

function shuffledObserved(seen: Observed, seed: number): Observed {
  const { history, applied } = seen
  return {
    ...seen,
    applied: applied && {
      targets: shuffled(applied.targets, seed),
      jobs: shuffled(applied.jobs, seed),
    },
    history: {
      ...history,
      runs: shuffled(history.runs, seed),
      backups: shuffled(history.backups, seed),
      copies: shuffled(history.copies, seed),
      restores: shuffled(history.restores, seed),
    },
    listings: new Map(
      shuffled([...seen.listings], seed).map(([id, one]) => [id, shuffledListing(one, seed)]),
    ),
  }
}

function shuffledListing(listing: Listing, seed: number): Listing {
  if (listing.kind !== 'listed') return listing
  return {
    ...listing,
    objects: new Map(shuffled([...listing.objects], seed)),
    manifests: new Map(shuffled([...listing.manifests], seed)),
    unfinished: shuffled(listing.unfinished, seed),
    pins: shuffled(listing.pins, seed),
  }
}

function shuffled<T>(items: readonly T[], seed: number): readonly T[] {
  const order = (index: number) => ((index + 1) * 2654435761 + seed) % 97
  return items
    .map((item, index) => ({ item, order: order(index) }))
    .sort((a, b) => a.order - b.order)
    .map(({ item }) => item)
}
