import { describe, expect, it } from 'vitest'
import type { PruneAction, PruneBlockedAction } from '../../src/core/action.ts'
import { appliedAfter } from '../../src/core/applied.ts'
import type {
  Bytes,
  DesiredJob,
  Instant,
  JobId,
  Retention,
  TargetId,
} from '../../src/core/model.ts'
import type { Observed } from '../../src/core/observed.ts'
import { plan, pruneOlderThan } from '../../src/core/plan.ts'
import { at, backup, copy, desired, job, plus, restore, retention, target } from './plan-nouns.ts'
import {
  change,
  copyKey,
  createWorld,
  manifestOf,
  observe,
  put,
  putManifest,
  type World,
} from './plan-world.ts'

const NOW = at('2026-11-20T12:00:00Z')
const NAS = 'nas' as TargetId

/** A daily job with one copy a day, the newest of today; `sizes` are from the newest on. */
function world(
  days: number,
  keep: Partial<Retention>,
  changes: Partial<DesiredJob> = {},
  sizes: readonly number[] = [],
): World {
  const shop = job('shop', { keep }, { schedule: null, maxDelete: 1, ...changes })
  const wanted = desired([target('nas')], [shop])
  const made = createWorld(wanted, NOW)
  made.applied = appliedAfter(wanted, null, NOW)
  for (let age = 0; age < days; age++) {
    const taken = (NOW - age * 86_400_000 - 3_600_000) as Instant
    const row = backup(`b${age}`, shop, taken, { slot: null })
    const bytes = (sizes[age] ?? 1000) as Bytes
    const own = copy(row, 'nas', `system/shop/files/b${age}.tar.zst`, { bytes })
    made.backups.set(row.id, row)
    made.copies.set(copyKey(own), own)
    put(made, NAS, own.key, bytes)
    putManifest(made, NAS, manifestOf(made, row, own, bytes))
  }
  return made
}

function pruning(
  of: World,
  changes: Partial<Observed> = {},
): PruneAction | PruneBlockedAction | null {
  const { actions } = plan(of.desired, { ...observe(of), ...changes }, NOW)
  const found = actions.filter(
    (one): one is PruneAction | PruneBlockedAction =>
      one.kind === 'prune' || one.kind === 'prune-blocked',
  )
  expect(found.length).toBeLessThan(2)
  return found[0] ?? null
}

function edit(
  of: World,
  id: string,
  changes: Parameters<typeof change<string, never>>[2] | object,
) {
  change(of.copies as Map<string, object>, `${id} nas`, changes)
  return of
}

const ids = (copies: readonly { readonly backup: string }[]) => copies.map((one) => one.backup)

describe('a copy that waits for its twin', () => {
  const CLOUD = 'cloud' as TargetId

  /** Five daily copies on the one target, and what `of` says of each on the other one. */
  function pair(of: (age: number) => 'complete' | 'pruned' | 'failed' | 'none'): World {
    const [first] = job('shop', { keep: { keepLast: 1 } }).targets
    if (!first) throw new Error('no target')
    const { target: _nas, ...there } = { ...first, retention: retention({ keepLast: 9 }) }
    const targets = [
      { ...first, prunedAfter: CLOUD },
      { ...there, target: CLOUD },
    ]
    const made = world(5, {}, { targets })
    const both = { ...made.desired, targets: [target('nas'), target('cloud')] }
    const whole = { ...made, desired: both, applied: appliedAfter(both, null, NOW) }
    const shelf = made.shelves.get(NAS)
    if (shelf) {
      const empty = { objects: new Map(), manifests: new Map(), pins: new Map() }
      whole.shelves.set(CLOUD, { ...shelf, ...empty, unfinished: new Map() })
    }
    for (const row of made.backups.values()) {
      const status = of(Number(row.id.slice(1)))
      if (status === 'none') continue
      const own = copy(row, 'cloud', `system/shop/files/${row.id}.tar.zst`, { status })
      whole.copies.set(copyKey(own), own)
      if (status !== 'complete') continue
      put(whole, CLOUD, own.key, 1000)
      putManifest(whole, CLOUD, manifestOf(whole, row, own, 1000 as Bytes))
    }
    return whole
  }

  function outcome(of: World) {
    const { actions, kept } = plan(of.desired, observe(of), NOW)
    const drops = actions.flatMap((one) => (one.kind === 'prune' ? ids(one.drop) : []))
    const waiting = kept.filter(({ reasons }) => reasons.includes('twin-missing'))
    return { drops, waiting: ids(waiting.map((one) => one.copy)) }
  }

  it('goes once the twin is complete, and when it was until retention there let it go', () => {
    const made = pair((age) => (age === 4 ? 'pruned' : 'complete'))
    expect(outcome(made)).toEqual({ drops: ['b4', 'b3', 'b2', 'b1'], waiting: [] })
  })

  it('stays while the twin was never written, or not to its end', () => {
    const made = pair((age) => (age === 4 ? 'none' : age === 3 ? 'failed' : 'complete'))
    expect(outcome(made)).toEqual({ drops: ['b2', 'b1'], waiting: ['b3', 'b4'] })
  })

  it('stays while the twin was found damaged, or its manifest is gone', () => {
    const made = pair(() => 'complete')
    change(made.copies as Map<string, object>, 'b4 cloud', { verify: 'failed' })
    made.shelves.get(CLOUD)?.objects.delete('system/shop/files/b3.tar.zst.manifest.json')
    expect(outcome(made)).toEqual({ drops: ['b2', 'b1'], waiting: ['b3', 'b4'] })
  })

  it('stays while the other target cannot be looked at', () => {
    for (const state of ['unreachable', 'unlisted'] as const) {
      const made = pair(() => 'complete')
      const shelf = made.shelves.get(CLOUD)
      if (shelf) shelf.state = state
      expect(outcome(made)).toEqual({ drops: [], waiting: ['b1', 'b2', 'b3', 'b4'] })
    }
  })

  it('stays when a person asks for what is older, too', () => {
    const made = pair((age) => (age === 4 ? 'none' : 'complete'))
    const { actions } = pruneOlderThan(made.desired, observe(made), plus(NOW, '1d'), NOW)
    const drops = actions.flatMap((one) => (one.kind === 'prune' ? [one] : []))
    expect(drops.find((one) => one.target === NAS)?.drop.map((one) => one.backup)).not.toContain(
      'b4',
    )
  })
})

describe('what carries the name of a backup of Hiqlite', () => {
  it('stays when no manifest of ours speaks of it', () => {
    const made = world(5, { keepLast: 1 })
    const key = 'backup_node_1_1710000000.sqlite'
    put(made, NAS, key, 1000)
    const { actions } = plan(made.desired, observe(made), NOW)
    expect(JSON.stringify(actions)).not.toContain(key)
    expect(pruning(made)).toMatchObject({ kind: 'prune', drop: { length: 4 } })
  })
})

describe('a deletion', () => {
  it('names each copy that goes, oldest first, and why each other one stays', () => {
    expect(pruning(world(5, { keepLast: 2, keepWeekly: 1 }))).toMatchObject({
      kind: 'prune',
      subject: 'shop',
      target: 'nas',
      group: 'system/shop/files',
      drop: [{ backup: 'b4' }, { backup: 'b3' }, { backup: 'b2' }],
      keep: [
        { copy: { backup: 'b0' }, reasons: ['last-1', 'weekly-1'] },
        { copy: { backup: 'b1' }, reasons: ['last-2'] },
      ],
      because: { rule: 'outside-retention', kept: 2, policy: 'last 2, weekly 1' },
    })
  })

  it('is not asked for when nothing goes, and why each copy stays is told all the same', () => {
    const made = world(2, { keepLast: 2 })
    expect(pruning(made)).toBeNull()
    const { kept } = plan(made.desired, observe(made), NOW)
    expect(kept.map(({ copy: { backup }, reasons }) => [backup, reasons])).toEqual([
      ['b0', ['last-1']],
      ['b1', ['last-2']],
    ])
  })

  it('keeps the newest verified copy and pinned ones', () => {
    const made = edit(world(6, { keepLast: 1 }), 'b3', { verify: 'ok', verifiedAt: NOW })
    const key = 'system/shop/files/b5.tar.zst'
    made.shelves.get(NAS)?.pins.set(key, { target: NAS, key, reason: 'mine', at: NOW })
    expect(pruning(made)).toMatchObject({
      drop: [{ backup: 'b4' }, { backup: 'b2' }, { backup: 'b1' }],
      keep: [
        { reasons: ['last-1'] },
        { copy: { backup: 'b3' }, reasons: ['newest-verified'] },
        { copy: { backup: 'b5' }, reasons: ['pinned'] },
      ],
    })
  })

  it('counts valid copies only: complete, whole, with their manifest, and not found damaged', () => {
    const lose = (id: string, how: (of: World) => void) => {
      const made = world(3, { keepLast: 1 })
      how(made)
      const found = pruning(made)
      const drops = found?.kind === 'prune' ? ids(found.drop) : []
      expect(drops).not.toContain(id)
      return drops
    }
    const key = 'system/shop/files/b0.tar.zst'
    // With the newest of no account, the next one is the one to keep.
    expect(lose('b1', (of) => edit(of, 'b0', { verify: 'failed' }))).toEqual(['b2'])
    expect(lose('b1', (of) => put(of, NAS, key, 10))).toEqual(['b2'])
    expect(lose('b1', (of) => of.shelves.get(NAS)?.objects.delete(key))).toEqual(['b2'])
    expect(lose('b1', (of) => of.shelves.get(NAS)?.objects.delete(`${key}.manifest.json`))).toEqual(
      ['b2'],
    )
    expect(lose('b1', (of) => edit(of, 'b0', { status: 'missing' }))).toEqual(['b2'])
    expect(lose('b2', (of) => edit(of, 'b2', { verify: 'failed' }))).toEqual(['b1'])
  })

  it('is never made on a target that was not looked at, or with a part of the history', () => {
    const made = world(5, { keepLast: 1 })
    const shelf = made.shelves.get(NAS)
    if (shelf) shelf.state = 'unreachable'
    expect(pruning(made)).toBeNull()
    expect(plan(made.desired, observe(made), NOW).warnings.map(({ rule }) => rule)).toContain(
      'target-unreachable',
    )
    if (shelf) shelf.state = 'unlisted'
    expect(pruning(made)).toBeNull()
    if (shelf) shelf.state = 'listed'
    const history = { ...observe(made).history, depth: 'recent' } as const
    expect(pruning(made, { history })).toBeNull()
    const [[id, listing] = []] = observe(made).listings
    if (id === undefined || listing?.kind !== 'listed') throw new Error('not listed')
    const elsewhere = new Map([[id, { ...listing, prefixes: ['system/shop/db/'] }]])
    expect(pruning(made, { listings: elsewhere })).toBeNull()
  })

  it('is not made for a job that is disabled, unless a person says so', () => {
    const made = world(3, { keepLast: 1 }, { enabled: false })
    expect(pruning(made)).toBeNull()
    expect(plan(made.desired, observe(made), NOW).kept.map(({ reasons }) => reasons)).toEqual([
      ['last-1'],
      ['paused'],
      ['paused'],
    ])
    made.pruneConfirmed = true
    expect(pruning(made)).toMatchObject({ kind: 'prune' })
  })

  it('is not made for a job that the file no longer names', () => {
    const made = world(5, { keepLast: 1 })
    const { actions } = plan(desired([target('nas')], []), observe(made), NOW)
    expect(actions.map(({ kind }) => kind)).toEqual(['job.remove'])
  })

  it('waits while the source is being restored', () => {
    const made = world(3, { keepLast: 1 })
    const [shop] = made.desired.jobs
    if (shop)
      made.restores.set('r1', restore('r1', shop, NOW, { status: 'running', finishedAt: null }))
    expect(pruning(made)).toBeNull()
  })

  it('goes on over copies that a job made under its former name', () => {
    const made = world(4, { keepLast: 2 })
    const [shop] = made.desired.jobs
    if (!shop) throw new Error('no job')
    const source = {
      ...shop.sources[0],
      group: 'system/store/files',
    } as DesiredJob['sources'][number]
    const store = {
      ...shop,
      id: 'store' as JobId,
      name: 'store',
      renamedFrom: 'shop' as JobId,
      sources: [source],
    }
    const { actions } = plan(desired([target('nas')], [store]), observe(made), NOW)
    expect(actions.filter(({ kind }) => kind === 'prune')).toMatchObject([
      { subject: 'store', group: 'system/store/files', drop: [{ backup: 'b3' }, { backup: 'b2' }] },
    ])
  })
})

describe('a deletion that may not be made', () => {
  const failed = (made: World) => {
    const [shop] = made.desired.jobs
    if (shop) {
      const row = backup('bad', shop, NOW, { slot: null, status: 'failed' })
      made.backups.set(row.id, row)
    }
    return made
  }

  it('follows a failed attempt, and no word lifts that', () => {
    const made = failed(world(4, { keepLast: 1 }))
    const blocked = {
      kind: 'prune-blocked',
      because: { rule: 'newest-attempt-failed', backup: 'bad' },
    }
    expect(pruning(made)).toMatchObject(blocked)
    made.pruneConfirmed = true
    expect(pruning(made)).toMatchObject(blocked)
  })

  it('takes no attempt from the future for the newest', () => {
    const made = world(4, { keepLast: 1 })
    const [shop] = made.desired.jobs
    if (!shop) throw new Error('no job')
    const ahead = at('2036-01-01T00:00:00Z')
    const row = backup('ahead', shop, ahead, { slot: null, status: 'failed' })
    made.backups.set(row.id, row)
    expect(pruning(made)).toMatchObject({ kind: 'prune' })
    made.backups.set(row.id, { ...row, status: 'success' })
    expect(pruning(failed(made))).toMatchObject({ kind: 'prune-blocked' })
  })

  it('is more than the job allows at once, until it is confirmed', () => {
    const made = world(4, { keepLast: 1 }, { maxDelete: 0.5 })
    expect(pruning(made)).toMatchObject({
      kind: 'prune-blocked',
      would: [{ backup: 'b3' }, { backup: 'b2' }, { backup: 'b1' }],
      because: { rule: 'too-many', share: 0.75, limit: 0.5 },
    })
    const { kept } = plan(made.desired, observe(made), NOW)
    expect(kept.filter(({ reasons }) => reasons.includes('prune-blocked'))).toHaveLength(3)
    made.pruneConfirmed = true
    expect(pruning(made)).toMatchObject({ kind: 'prune' })
    expect(pruning(world(4, { keepLast: 2 }, { maxDelete: 0.5 }))).toMatchObject({ kind: 'prune' })
  })

  it('follows an archive that shrank below its share of the recent median, until it is confirmed', () => {
    const made = world(4, { keepLast: 2 }, { shrinkGuard: 0.5 }, [499, 1000, 1000, 4000])
    expect(pruning(made)).toMatchObject({
      kind: 'prune-blocked',
      because: { rule: 'shrunk', bytes: 499, median: 1000 },
    })
    made.pruneConfirmed = true
    expect(pruning(made)).toMatchObject({ kind: 'prune' })
    const just = world(4, { keepLast: 2 }, { shrinkGuard: 0.5 }, [500, 1000, 1000, 4000])
    expect(pruning(just)).toMatchObject({ kind: 'prune' })
  })

  it('leaves a warning about an archive that shrank, also when nothing would go', () => {
    const made = world(3, { keepLast: 9 }, { shrinkGuard: 0.5 }, [10, 1000, 1000])
    const { warnings } = plan(made.desired, observe(made), NOW)
    expect(warnings.map(({ rule }) => rule)).toContain('archive-shrunk')
  })
})

describe('a deletion by age', () => {
  const older = (made: World, age: string, jobs: readonly JobId[] | null = null) => {
    const before = (NOW - (plus(NOW, age) - NOW)) as Instant
    return pruneOlderThan(made.desired, observe(made), before, NOW, jobs).actions
  }

  it('takes what is older, whatever retention says, and leaves the rest', () => {
    expect(older(world(6, { keepAll: true }), '3d')).toMatchObject([
      {
        kind: 'prune',
        drop: [{ backup: 'b5' }, { backup: 'b4' }, { backup: 'b3' }],
        keep: [{ reasons: ['at-least'] }, { reasons: ['not-older'] }, { reasons: ['not-older'] }],
        because: { rule: 'older-than' },
      },
    ])
  })

  it('never goes below the floors', () => {
    const made = edit(world(4, { keepAtLeast: 2 }), 'b3', { verify: 'ok', verifiedAt: NOW })
    expect(older(made, '0s')).toMatchObject([{ drop: [{ backup: 'b2' }] }])
  })

  it('has the guards of every other deletion', () => {
    const many = world(5, {}, { maxDelete: 0.5 })
    expect(older(many, '0s')).toMatchObject([
      { kind: 'prune-blocked', because: { rule: 'too-many' } },
    ])
  })

  it('keeps to the jobs that were named', () => {
    expect(older(world(5, {}), '1d', ['other' as JobId])).toEqual([])
    expect(older(world(5, {}), '1d', ['shop' as JobId])).toHaveLength(1)
  })
})

describe('a restore in place', () => {
  it('is let go once a backup that began after it succeeded', () => {
    const made = world(1, {})
    const [shop] = made.desired.jobs
    if (!shop) throw new Error('no job')
    const set = (finishedAt: Instant, changes = {}) =>
      made.restores.set('r1', restore('r1', shop, finishedAt, changes))
    const released = () =>
      plan(made.desired, observe(made), NOW).actions.filter(({ kind }) => kind === 'release')

    set(plus((NOW - 7_200_000) as Instant, '1s'))
    expect(released()).toMatchObject([
      {
        subject: 'shop',
        restore: { id: 'r1' },
        because: { rule: 'baseline-complete', backup: 'b0' },
      },
    ])
    set(NOW)
    expect(released()).toEqual([])
    set((NOW - 7_200_000) as Instant, { inPlace: false })
    expect(released()).toEqual([])
    set((NOW - 7_200_000) as Instant, { released: true })
    expect(released()).toEqual([])
  })

  it('is let go at once when it failed: what it pinned is nobody’s way back', () => {
    const made = world(1, {})
    const [shop] = made.desired.jobs
    if (!shop) throw new Error('no job')
    made.restores.set('r1', restore('r1', shop, NOW, { status: 'failed' }))
    const released = () =>
      plan(made.desired, observe(made), NOW).actions.filter(({ kind }) => kind === 'release')
    expect(released()).toMatchObject([
      { restore: { id: 'r1' }, because: { rule: 'restore-failed' } },
    ])
    made.restores.set('r1', restore('r1', shop, NOW, { status: 'failed', released: true }))
    expect(released()).toEqual([])
  })
})
