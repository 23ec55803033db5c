import { describe, expect, it } from 'vitest'
import { appliedAfter } from '../../src/core/applied.ts'
import type { Backup, Desired, DesiredJob, Instant } from '../../src/core/model.ts'
import type { Observed } from '../../src/core/observed.ts'
import { plan } from '../../src/core/plan.ts'
import { backoff, mayTry } from '../../src/core/retry.ts'
import {
  at,
  backup,
  desired,
  GONE,
  HERE,
  job,
  lasting,
  nothing,
  plus,
  restore,
  runOf,
  target,
} from './plan-nouns.ts'

const BEGIN = at('2026-11-01T12:00:00Z')
const SLOT = at('2026-11-20T02:00:00Z')
const YESTERDAY = at('2026-11-19T02:00:00Z')
const NOW = plus(SLOT, '1s')

const shop = job('shop')
const pair = job('shop', { sources: ['files', 'db'] })

interface Scene {
  readonly backups?: readonly Backup[]
  readonly restores?: Observed['history']['restores']
  readonly runs?: Observed['history']['runs']
  readonly now?: Instant
  readonly since?: Instant
  readonly applied?: boolean
}

/** The steps about backups that a job owes, without target and job steps. */
function owed(one: DesiredJob, scene: Scene = {}) {
  const wanted: Desired = desired([target('nas')], [one])
  const { backups = [], restores = [], runs = [], now = NOW, since = BEGIN } = scene
  const observed = nothing({
    applied: scene.applied === false ? null : appliedAfter(wanted, null, since),
    history: { ...nothing().history, backups, restores, runs },
  })
  return plan(wanted, observed, now).actions.filter(
    ({ kind }) => kind === 'backup' || kind === 'skip',
  )
}

const done = (slot: Instant, changes: Partial<Backup> = {}) =>
  backup(`ok-${slot}-${changes.source ?? ''}`, pair, slot, changes)

const failed = (startedAt: Instant, changes: Partial<Backup> = {}) =>
  backup(`bad-${startedAt}-${changes.source ?? ''}`, pair, startedAt, {
    slot: SLOT,
    status: 'failed',
    error: 'disk full',
    ...changes,
  })

describe('a slot', () => {
  it('is owed from its instant on, all sources in the order declared as one run', () => {
    expect(owed(pair, { now: SLOT, backups: [done(YESTERDAY)] })).toEqual([
      {
        kind: 'backup',
        subject: 'shop',
        sources: ['files', 'db'],
        slot: SLOT,
        attempt: 1,
        trigger: 'schedule',
        because: { rule: 'slot-due', slot: SLOT },
      },
    ])
    const early = (SLOT - 1) as Instant
    const backups = ['files', 'db'].map((source) => done(YESTERDAY, { source }))
    expect(owed(pair, { now: early, backups })).toEqual([])
  })

  it.each(['success', 'running', 'pending', 'skipped'] as const)(
    'is not owed again once it is %s',
    (status) => {
      expect(owed(shop, { backups: [done(YESTERDAY), done(SLOT, { status })] })).toEqual([])
    },
  )

  it('is not owed when it came before the job, or before its schedule stood', () => {
    expect(owed(shop, { since: SLOT })).toEqual([])
    expect(owed(shop, { applied: false })).toEqual([])
    const edited = job('shop', {}, { schedule: { cron: '0 1 * * *', timezone: 'UTC' } })
    const applied = appliedAfter(desired([], [shop]), null, BEGIN)
    const { actions } = plan(desired([target('nas')], [edited]), nothing({ applied }), NOW)
    expect(actions.filter(({ kind }) => kind === 'backup')).toEqual([])
  })

  it('is owed by nobody who is disabled or runs on request only', () => {
    expect(owed(job('shop', {}, { enabled: false }))).toEqual([])
    expect(owed(job('shop', {}, { schedule: null }))).toEqual([])
  })

  it('is owed by the sources that have not had it', () => {
    const [action] = owed(pair, { backups: [done(YESTERDAY), done(SLOT, { source: 'db' })] })
    expect(action).toMatchObject({ sources: ['files'], because: { rule: 'slot-due' } })
  })

  it('stands for those that were missed while nobody ran, and says how many', () => {
    const before = at('2026-11-17T02:00:00Z')
    expect(owed(shop, { backups: [done(before)] })).toMatchObject([
      { slot: SLOT, trigger: 'catch-up', because: { rule: 'missed-slots', slot: SLOT, missed: 2 } },
    ])
  })

  it('counts no slot as missed that came before the job', () => {
    expect(owed(shop, { since: at('2026-11-18T12:00:00Z') })).toMatchObject([
      { because: { rule: 'missed-slots', missed: 1 } },
    ])
    expect(owed(shop, { since: at('2026-11-19T12:00:00Z') })).toMatchObject([
      { because: { rule: 'slot-due' } },
    ])
  })

  it('is not put to sleep by a clock that was years ahead', () => {
    const ahead = at('2036-01-01T02:00:00Z')
    expect(owed(shop, { since: ahead, backups: [done(ahead)] })).toMatchObject([
      { because: { rule: 'slot-due', slot: SLOT } },
    ])
  })
})

describe('a failed slot', () => {
  const first = plus(SLOT, '1s')

  it('is tried again after a minute, then after four', () => {
    const once = [done(YESTERDAY), failed(first)]
    expect(owed(shop, { backups: once, now: plus(first, '59s') })).toEqual([])
    expect(owed(shop, { backups: once, now: plus(first, '1m') })).toMatchObject([
      {
        attempt: 2,
        trigger: 'retry',
        because: { rule: 'retry', slot: SLOT, attempt: 2, of: 3, error: 'disk full' },
      },
    ])
    const twice = [...once, failed(plus(first, '1m'), { attempt: 2 })]
    expect(owed(shop, { backups: twice, now: plus(first, '4m59s') })).toEqual([])
    expect(owed(shop, { backups: twice, now: plus(first, '5m') })).toMatchObject([{ attempt: 3 }])
  })

  it('is spent after its attempts, and after its time', () => {
    const thrice = [1, 2, 3].map((attempt) => failed(plus(first, `${attempt}m`), { attempt }))
    expect(owed(shop, { backups: thrice, now: plus(SLOT, '1h') })).toEqual([])
    expect(owed(shop, { backups: [failed(first)], now: plus(SLOT, '2h') })).toMatchObject([
      { attempt: 2 },
    ])
    expect(owed(shop, { backups: [failed(first)], now: plus(SLOT, '2h2s') })).toEqual([])
  })

  it('that was caught up late has its time for retries from then on', () => {
    const late = plus(SLOT, '9h')
    expect(owed(shop, { backups: [failed(late)], now: plus(late, '1m') })).toMatchObject([
      { because: { rule: 'retry', attempt: 2 } },
    ])
    expect(owed(shop, { backups: [failed(late)], now: plus(late, '3h') })).toEqual([])
  })

  it('gives every attempt one number, also when its sources failed at different times', () => {
    const backups = [
      failed(first, { source: 'files' }),
      failed(plus(first, '1m'), { source: 'files', attempt: 2 }),
      failed(first, { source: 'db' }),
    ]
    expect(owed(pair, { backups, now: plus(first, '30m') })).toMatchObject([
      { sources: ['db'], attempt: 2 },
    ])
  })

  it('waits less between attempts when there is little time for them', () => {
    expect(backoff(1, { attempts: 3, within: lasting('2h') })).toBe(lasting('1m'))
    expect(backoff(4, { attempts: 9, within: lasting('1d') })).toBe(lasting('30m'))
    expect(backoff(1, { attempts: 4, within: lasting('2m') })).toBe(lasting('30s'))
  })

  it('is not held up by an end that lies in the future', () => {
    const ahead = failed(first, { finishedAt: at('2036-01-01T00:00:00Z') })
    expect(mayTry([ahead], shop.retry, SLOT, plus(first, '1s'))).toBe(true)
  })
})

describe('a slot that comes while the job still runs', () => {
  const started = at('2026-11-20T01:30:00Z')
  const running = backup('b1', shop, started, { slot: null, trigger: 'manual', status: 'running' })

  it('is recorded as skipped, once', () => {
    const skip = {
      kind: 'skip',
      subject: 'shop',
      slot: SLOT,
      because: { rule: 'still-running', since: started },
    }
    expect(owed(shop, { backups: [running] })).toEqual([skip])
    expect(owed(shop, { backups: [running, done(SLOT, { status: 'skipped' })] })).toEqual([])
  })

  it('is skipped for a run that has not begun its next source yet', () => {
    expect(owed(shop, { runs: [runOf(running)] })).toMatchObject([{ kind: 'skip' }])
  })

  it('is not skipped for an owner who is gone', () => {
    const orphan = { ...running, instance: GONE }
    expect(owed(shop, { backups: [orphan] })).toMatchObject([{ kind: 'backup' }])
  })

  it('waits for a run that began after it', () => {
    const later = { ...running, startedAt: plus(SLOT, '1s') }
    expect(owed(shop, { backups: [later], now: plus(SLOT, '1m') })).toEqual([])
  })

  it('is not in its own way', () => {
    const own = runOf(backup('b1', shop, SLOT, { status: 'running' }))
    expect(owed(shop, { runs: [own] })).toEqual([])
  })

  it('waits for its own run', () => {
    const own = [failed(SLOT, { source: 'files' }), done(SLOT, { source: 'db', status: 'running' })]
    expect(owed(pair, { backups: own, now: plus(SLOT, '10m') })).toEqual([])
  })
})

describe('a job without a target', () => {
  it('has its slot recorded as skipped, and says why', () => {
    const why = 'neither the job nor the file names a target'
    expect(owed(job('shop', { targets: [] }))).toMatchObject([
      { kind: 'skip', slot: SLOT, because: { rule: 'no-target', why } },
    ])
  })
})

describe('a first run', () => {
  const eager = job('shop', { sources: ['files', 'db'] }, { firstRun: 'now' })
  const first = { kind: 'backup', slot: null, trigger: 'first-run', because: { rule: 'first-run' } }

  it('is taken at once, by a job that is new and by one that has not had it', () => {
    expect(owed(eager, { applied: false })).toMatchObject([{ ...first, sources: ['files', 'db'] }])
    expect(owed(eager, { since: NOW })).toMatchObject([first])
  })

  it('is taken once, whatever else made the backup', () => {
    const backups = [
      backup('b1', eager, NOW, { slot: null, trigger: 'manual', source: 'files' }),
      backup('b2', eager, NOW, {
        slot: null,
        trigger: 'first-run',
        source: 'db',
        status: 'running',
      }),
    ]
    expect(owed(eager, { since: NOW, backups })).toEqual([])
    expect(owed(eager, { since: NOW, backups: backups.slice(0, 1) })).toMatchObject([
      { sources: ['db'] },
    ])
  })

  it('is tried again like a slot, and spent like one', () => {
    const bad = (attempt: number) =>
      backup(`b${attempt}`, eager, plus(NOW, `${attempt}m`), {
        slot: null,
        attempt,
        status: 'failed',
        source: 'files',
      })
    const other = backup('ok', eager, NOW, { source: 'db' })
    const later = { since: NOW, now: plus(NOW, '90m') }
    expect(owed(eager, { ...later, backups: [other, bad(1)] })).toMatchObject([{ attempt: 2 }])
    expect(owed(eager, { ...later, backups: [other, bad(1), bad(2), bad(3)] })).toEqual([])
  })
})

describe('a source that was restored in place', () => {
  const restoredAt = plus(SLOT, '1h')
  const now = plus(restoredAt, '1s')
  const back = restore('r1', pair, restoredAt)
  const slots = [done(SLOT, { source: 'files' }), done(SLOT, { source: 'db' })]

  it('is archived anew, alone', () => {
    expect(owed(pair, { backups: slots, restores: [back], now })).toMatchObject([
      {
        sources: ['files'],
        slot: null,
        trigger: 'baseline',
        because: { rule: 'after-restore', restore: 'r1' },
      },
    ])
  })

  it('has its baseline in any success that began after it', () => {
    const after = backup('b9', pair, now, { slot: null, trigger: 'manual' })
    expect(owed(pair, { backups: [...slots, after], restores: [back], now })).toEqual([])
  })

  it('owes none when it was restored elsewhere, or failed to be', () => {
    for (const changes of [{ inPlace: false }, { status: 'failed' as const }]) {
      const other = restore('r1', pair, restoredAt, changes)
      expect(owed(pair, { backups: slots, restores: [other], now })).toEqual([])
    }
  })

  it('does not spin on a baseline that fails', () => {
    const bad = backup('b9', pair, now, { slot: null, status: 'failed' })
    const restores = [back]
    expect(owed(pair, { backups: [...slots, bad], restores, now })).toEqual([])
    expect(owed(pair, { backups: [...slots, bad], restores, now: plus(now, '1m') })).toMatchObject([
      { attempt: 2, because: { rule: 'after-restore' } },
    ])
  })

  it('is left alone while it is being restored, and until it is settled what a killed restore left', () => {
    const under = restore('r1', pair, SLOT, { status: 'running', finishedAt: null, instance: HERE })
    expect(owed(pair, { restores: [under] })).toMatchObject([{ sources: ['db'] }])
    const dead = { ...under, instance: GONE }
    expect(owed(pair, { restores: [dead] })).toMatchObject([{ sources: ['db'] }])
  })
})
