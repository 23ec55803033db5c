import { describe, expect, it } from 'vitest'
import { appliedAfter, scheduleMark, withFirstRunTaken } from '../../src/core/applied.ts'
import type { Applied, DesiredJob, Encryption, JobId } from '../../src/core/model.ts'
import { plan, wantsExitCode2 } from '../../src/core/plan.ts'
import { at, backup, copy, desired, job, nothing, target } from './plan-nouns.ts'

const NOW = at('2026-11-20T12:00:00Z')
const nas = target('nas')
const shop = job('shop')
const both = desired([nas], [shop])

function actions(wanted: typeof both, observed: Parameters<typeof plan>[1]) {
  return plan(wanted, observed, NOW).actions
}

describe('what was never applied', () => {
  it('is added, targets before jobs, with the first slot of each', () => {
    expect(actions(both, nothing())).toEqual([
      { kind: 'target.create', subject: 'nas', because: { rule: 'declared', facts: nas.facts } },
      {
        kind: 'job.create',
        subject: 'shop',
        because: { rule: 'declared', facts: shop.facts, nextSlot: at('2026-11-21T02:00:00Z') },
      },
    ])
  })

  it('has no first slot when it is disabled or runs on request', () => {
    const quiet = desired(
      [],
      [job('off', {}, { enabled: false }), job('ask', {}, { schedule: null })],
    )
    const slots = actions(quiet, nothing()).flatMap(({ because }) =>
      'nextSlot' in because ? [because.nextSlot] : [],
    )
    expect(slots).toEqual([null, null])
  })
})

describe('what is applied already', () => {
  it('asks for nothing', () => {
    expect(actions(both, nothing({ applied: appliedAfter(both, null, NOW) }))).toEqual([])
  })

  it('is changed by its facts when its fingerprint differs', () => {
    const applied = appliedAfter(both, null, NOW)
    const moved = { ...nas, fingerprint: 'other', facts: { type: 'local', path: '/mnt' } }
    const edited = { ...shop, fingerprint: 'other', facts: { schedule: '0 3 * * *', require: '1' } }
    expect(actions(desired([moved], [edited]), nothing({ applied }))).toEqual([
      {
        kind: 'target.update',
        subject: 'nas',
        because: { rule: 'changed', changes: [{ key: 'path', from: '/srv/nas', to: '/mnt' }] },
      },
      {
        kind: 'job.update',
        subject: 'shop',
        because: {
          rule: 'changed',
          changes: [
            { key: 'require', from: null, to: '1' },
            { key: 'schedule', from: '0 2 * * *', to: '0 3 * * *' },
            { key: 'timezone', from: 'UTC', to: null },
          ],
        },
      },
    ])
  })

  it('is forgotten when the file drops it, with the count of complete copies that stay', () => {
    const rows = ['b1', 'b2', 'b3'].map((id) => backup(id, shop, NOW))
    const copies = rows.map((row) => copy(row, 'nas', `system/shop/files/${row.id}`))
    const gone = copies.map((one, index) =>
      index === 2 ? { ...one, status: 'pruned' as const } : one,
    )
    const history = { ...nothing().history, backups: rows, copies: gone }
    const observed = nothing({ applied: appliedAfter(both, null, NOW), history })
    expect(actions(desired([], []), observed)).toEqual([
      { kind: 'target.remove', subject: 'nas', because: { rule: 'not-declared', copies: 2 } },
      { kind: 'job.remove', subject: 'shop', because: { rule: 'not-declared', copies: 2 } },
    ])
  })

  it('remembers when each of its sources was first declared, under another name and schedule too', () => {
    const early = at('2026-11-01T00:00:00Z')
    const sourcesOf = (wanted: DesiredJob, applied: Applied) =>
      appliedAfter(desired([nas], [wanted]), applied, NOW).jobs[0]?.sources
    const applied = appliedAfter(desired([nas], [shop]), null, early)
    const [one] = shop.sources
    if (!one) throw new Error('a job without a source')
    const grown = { ...shop, fingerprint: 'grown', sources: [one, { ...one, name: 'other' }] }
    expect(sourcesOf(grown, applied)).toEqual({ [one.name]: early, other: NOW })
    const moved = { ...job('store', {}, { renamedFrom: shop.id }), schedule: null }
    expect(sourcesOf(moved, applied)).toEqual({ [one.name]: early })

    // As a program that did not keep them saved it: what is unchanged was there all the time.
    const bare = { ...applied, jobs: applied.jobs.map(({ sources: _, ...rest }) => rest) }
    expect(sourcesOf(shop, bare)).toEqual({ [one.name]: early })
    expect(sourcesOf(grown, bare)).toEqual({ [one.name]: NOW, other: NOW })
  })

  it('takes its new name along, and says so once', () => {
    const applied = appliedAfter(both, null, at('2026-11-01T00:00:00Z'))
    const store = job('store', {}, { renamedFrom: 'shop' as JobId })
    const renamed = desired([nas], [store])
    expect(actions(renamed, nothing({ applied })).slice(0, 1)).toEqual([
      { kind: 'job.update', subject: 'store', because: { rule: 'renamed', from: 'shop' } },
    ])
    expect(actions(renamed, nothing({ applied })).map(({ kind }) => kind)).toEqual([
      'job.update',
      'backup',
    ])
    const after = appliedAfter(renamed, applied, NOW)
    expect(after.jobs.map(({ id, since }) => ({ id, since }))).toEqual([
      { id: 'store', since: at('2026-11-01T00:00:00Z') },
    ])
  })

  it('does not take a name that somebody else has now', () => {
    const applied = appliedAfter(both, null, NOW)
    const store = job('store', {}, { renamedFrom: 'shop' as JobId })
    const kinds = actions(desired([nas], [store, shop]), nothing({ applied })).map(
      ({ kind, subject }) => `${kind} ${subject}`,
    )
    expect(kinds).toEqual(['job.create store'])
  })
})

describe('what is saved as applied', () => {
  const before = at('2026-11-01T00:00:00Z')
  const since = (changes: Partial<DesiredJob>) =>
    appliedAfter(desired([nas], [{ ...shop, ...changes }]), appliedAfter(both, null, before), NOW)
      .jobs[0]?.since

  it('owes slots from the moment that the schedule stands', () => {
    expect(since({ fingerprint: 'other' })).toBe(before)
    expect(since({ schedule: { cron: '0 3 * * *', timezone: 'UTC' } })).toBe(NOW)
    expect(since({ schedule: { cron: '0 2 * * *', timezone: 'Europe/Berlin' } })).toBe(NOW)
    expect(since({ enabled: false })).toBe(NOW)
  })

  it('wants a first run of new jobs only, until it is taken', () => {
    const eager = desired([nas], [job('shop', {}, { firstRun: 'now' })])
    expect(appliedAfter(eager, null, NOW).jobs[0]?.firstRun).toBe(true)
    expect(appliedAfter(eager, appliedAfter(both, null, NOW), NOW).jobs[0]?.firstRun).toBe(false)
    const taken = withFirstRunTaken(appliedAfter(eager, null, NOW), shop.id)
    expect(taken.jobs[0]?.firstRun).toBe(false)
  })

  it('marks a schedule by all that its slots depend on', () => {
    const marks = [
      shop,
      job('shop', {}, { enabled: false }),
      job('shop', {}, { schedule: null }),
      job('shop', {}, { schedule: { cron: '0 2 * * *', timezone: 'Asia/Tokyo' } }),
    ].map(scheduleMark)
    expect(new Set(marks).size).toBe(4)
  })
})

describe('a restore that the environment asks for', () => {
  it('comes before all else and leaves room for the config alone', () => {
    const eager = desired([nas], [job('shop', {}, { firstRun: 'now' })])
    const restoreRequested = { variable: 'HQL_BACKUP_RESTORE', value: 'file:/x' }
    expect(actions(eager, nothing({ restoreRequested })).map(({ kind }) => kind)).toEqual([
      'restore',
      'target.create',
      'job.create',
    ])
  })
})

describe('the exit code of a plan', () => {
  it('tells changes of config, and neither due backups nor restores', () => {
    const eager = desired([nas], [job('shop', {}, { firstRun: 'now' })])
    const applied = appliedAfter(eager, null, NOW)
    const due = plan(eager, nothing({ applied }), NOW)
    expect(due.actions.map(({ kind }) => kind)).toEqual(['backup'])
    expect(wantsExitCode2(due)).toBe(false)
    expect(wantsExitCode2(plan(eager, nothing(), NOW))).toBe(true)
    expect(wantsExitCode2({ actions: [], warnings: [], kept: [] })).toBe(false)
  })
})

describe('the warnings of a config', () => {
  it('name what is plain, what stays here, what cannot be opened and what has no target', () => {
    const open = job('open', {}, { encryption: null })
    const sealed: Encryption = {
      scheme: 'age',
      recipients: ['age1x'],
      passphraseFile: null,
      identityFiles: [],
    }
    const far = job('far', { targets: ['s3'] }, { encryption: sealed })
    const lost = job('lost', { targets: [] })
    const wanted = desired([nas, target('s3', { kind: 's3' })], [open, far, lost], {
      unavailable: [{ path: 'targets.s3', what: 'target type s3' }],
    })
    const told = plan(wanted, nothing(), NOW).warnings.map(
      ({ rule, subject }) => `${rule} ${subject}`,
    )
    expect(told).toEqual([
      'identity-elsewhere far',
      'no-copy-off-host open',
      'no-target lost',
      'not-available targets.s3',
      'unencrypted open',
    ])
  })

  it('send whoever has Hiqlite without a bucket to its own table', () => {
    const path = 'backup_node_1_{unix}.sqlite'
    const hiqlite = job('hiqlite', {}, { encryption: null, path })
    const { warnings } = plan(desired([nas], [hiqlite]), nothing(), NOW)
    expect(warnings.map(({ rule }) => rule)).toEqual(['no-copy-off-host', 'unencrypted'])
    for (const { hint } of warnings) expect(hint).toContain("s3_url in Hiqlite's table")
  })
})
