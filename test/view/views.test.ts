import { describe, expect, it } from 'vitest'
import { appliedAfter } from '../../src/core/applied.ts'
import type { InstanceHolding } from '../../src/core/fleet.ts'
import type { Bytes, InstanceId, Millis, TargetId } from '../../src/core/model.ts'
import { plan, wantsExitCode2 } from '../../src/core/plan.ts'
import { statusOf } from '../../src/core/status.ts'
import { ConfigError, LeaseBusy } from '../../src/lib/errors.ts'
import { backupDetails, backupRow, backupsTable } from '../../src/view/backups.ts'
import { renderError } from '../../src/view/errors.ts'
import { renderPlan, renderWarnings } from '../../src/view/human.ts'
import { progressLine } from '../../src/view/progress.ts'
import { renderStatus, statusJson } from '../../src/view/status.ts'
import { table } from '../../src/view/table.ts'
import { container, discovering, engine, seenBy, volume } from '../core/docker-nouns.ts'
import {
  at,
  backup,
  copy,
  desired,
  GONE,
  job,
  lasting,
  nothing,
  plus,
  restore,
  target,
} from '../core/plan-nouns.ts'
import { SCENARIOS } from './scenarios.ts'

const PLAIN = { color: false }
const NOW = at('2026-11-20T12:00:00Z')
const ESCAPE = '\u001b'
const shop = job('shop', { sources: ['files', 'db'] })

describe('a plan for a person', () => {
  it('has colours only where they are asked for', () => {
    const plan = SCENARIOS['retention-tightened']?.()
    if (!plan) throw new Error('no such scenario')
    expect(renderPlan(plan, PLAIN)).not.toContain(ESCAPE)
    const coloured = renderPlan(plan, { color: true })
    expect(coloured).toContain(ESCAPE)
    const bare = coloured.replaceAll(new RegExp(`${ESCAPE}\\[\\d+m`, 'g'), '')
    expect(bare).toBe(renderPlan(plan, PLAIN))
  })

  it('lets nothing from elsewhere reach the terminal as a command', () => {
    const plan = SCENARIOS['hostile-names']?.()
    if (!plan) throw new Error('no such scenario')
    expect(JSON.stringify(plan)).toContain('\\u001b[2J')
    expect(renderPlan(plan, PLAIN)).not.toContain(ESCAPE)
  })

  it('names five of the many that share a warning', () => {
    const warnings = Array.from({ length: 9 }, (_, index) => ({
      rule: 'unencrypted',
      subject: `job-${index}`,
      message: 'its archives are not encrypted',
      hint: null,
    }))
    expect(renderWarnings(warnings, PLAIN)).toBe(
      '  warning unencrypted job-0, job-1, job-2, job-3, job-4, 4 more: its archives are not encrypted',
    )
  })
})

describe('a table', () => {
  it('is as wide as its widest cells, without blanks at the ends', () => {
    expect(
      table(
        ['A', 'LONG'],
        [
          ['xyz', '1'],
          ['x', 'a\nb'],
        ],
      ),
    ).toBe('A    LONG\nxyz  1\nx    a b')
  })
})

describe('a failure', () => {
  it('shows its message and what to do', () => {
    expect(renderError(new LeaseBusy('job shop', 'host-7'), PLAIN)).toBe(
      'error: job shop is held by host-7\n  hint: wait until it is done, or look at it with: holdfast status',
    )
  })

  it('shows every fault of a config with its place', () => {
    const error = new ConfigError([
      { at: 'a.yml:3:5', path: 'jobs.x', message: 'no such key', hint: 'did you mean y?' },
      { at: 'a.yml', path: '', message: 'is empty', hint: null },
    ])
    expect(renderError(error, PLAIN)).toBe(
      [
        'error: the config has 2 faults',
        '  a.yml:3:5  jobs.x: no such key',
        '      did you mean y?',
        '  a.yml  is empty',
      ].join('\n'),
    )
  })

  it('shows what is no failure of ours without a stack', () => {
    expect(renderError(new Error(`boom ${ESCAPE}[2J`), PLAIN)).toBe('error: boom \ufffd[2J')
    expect(renderError('text', PLAIN)).toBe('error: text')
  })
})

describe('a line of progress', () => {
  const moved = { what: 'backup', subject: 'shop/files', bytes: 50 * 2 ** 20, total: 100 * 2 ** 20 }

  it('tells how much, how fast and how much longer', () => {
    expect(progressLine(moved, 5000, 200)).toBe(
      'backup shop/files  [==========          ]  50 %  50.0 MiB  10.0 MiB/s  ETA 5s',
    )
  })

  it('tells what it can when nobody knows the end', () => {
    expect(progressLine({ ...moved, total: null }, 5000, 200)).toBe(
      'backup shop/files  50.0 MiB  10.0 MiB/s  5s',
    )
    expect(progressLine({ ...moved, bytes: 0 }, 0, 200)).toContain('0 B/s')
    expect(progressLine({ ...moved, bytes: 2 ** 40 }, 1, 200)).toContain('100 %')
  })

  it('is never wider than the terminal', () => {
    for (const columns of [0, 1, 10, 40]) {
      expect(progressLine(moved, 5000, columns).length).toBeLessThan(Math.max(1, columns))
    }
  })
})

describe('a row of backup list', () => {
  const row = backup('b1', shop, at('2026-11-20T02:00:00Z'), { contentBytes: 9000 as Bytes })
  const own = copy(row, 'nas', 'system/shop/files/x.tar.zst')

  it('has the shape that scripts rely on', () => {
    expect(backupRow(row, own, ['daily-1', 'pinned'], true)).toEqual({
      id: 'b1',
      run: 'run-b1',
      name: null,
      organization: null,
      app: null,
      job: 'shop',
      source: 'files',
      target: 'nas',
      status: 'success',
      slot: '2026-11-20T02:00:00.000Z',
      attempt: 1,
      sizeBytes: 1000,
      contentBytes: 9000,
      storagePath: 'system/shop/files/x.tar.zst',
      checksum: `sha256:${'a'.repeat(64)}`,
      readback: 'size',
      startedAt: '2026-11-20T02:00:00.000Z',
      finishedAt: '2026-11-20T02:00:00.000Z',
      verifiedAt: null,
      verify: 'never',
      pinned: true,
      keptBecause: ['daily-1', 'pinned'],
      error: null,
    })
  })

  it('says success of a complete copy of a success only', () => {
    const status = (attempt: typeof row.status, of: typeof own.status) =>
      backupRow({ ...row, status: attempt }, { ...own, status: of }, [], false).status
    expect(status('success', 'complete')).toBe('success')
    expect(status('failed', 'complete')).toBe('failed')
    expect(status('success', 'failed')).toBe('failed')
    expect(status('success', 'pruned')).toBe('pruned')
    expect(status('success', 'missing')).toBe('missing')
    expect(status('success', 'writing')).toBe('running')
    expect(status('running', 'writing')).toBe('running')
    expect(status('failed', 'writing')).toBe('failed')
  })

  it('stands for an attempt without a copy too', () => {
    const failed = { ...row, status: 'failed' as const, error: 'source is missing' }
    expect(backupRow(failed, null, [], false)).toMatchObject({
      target: null,
      storagePath: null,
      checksum: null,
      status: 'failed',
      error: 'source is missing',
    })
  })

  it('is a line of the table and a paragraph of show', () => {
    const rows = [backupRow(row, own, ['daily-1'], false)]
    expect(backupsTable(rows, PLAIN)).toBe(
      [
        'ID  JOB/SOURCE  TARGET  STATUS   STARTED               SIZE    VERIFIED  WHY',
        'b1  shop/files  nas     success  2026-11-20T02:00:00Z  1000 B  -         daily-1',
      ].join('\n'),
    )
    expect(backupsTable([], PLAIN)).toBe('no backups yet')
    expect(backupDetails(rows, null)).toContain('copy        nas  system/shop/files/x.tar.zst')
  })
})

describe('the status', () => {
  const objectives = { rpo: lasting('26h'), rto: null, verifiedWithin: null, drilledWithin: null }
  const strict = { ...shop, objectives }
  const wanted = desired(
    [target('nas'), target('usb')],
    [strict, job('off', {}, { enabled: false })],
  )
  const early = at('2026-11-18T02:00:00Z')
  const late = at('2026-11-20T02:00:00Z')
  const backups = [
    backup('b1', strict, early, { source: 'db' }),
    backup('b2', strict, late, { source: 'files' }),
    backup('b3', strict, plus(late, '9h'), { source: 'db', status: 'running', instance: GONE }),
  ]
  const observed = nothing({
    applied: appliedAfter(wanted, null, early),
    history: {
      ...nothing().history,
      backups,
      copies: backups.slice(0, 2).map((row) => copy(row, 'nas', row.id)),
      restores: [
        restore('r1', strict, late, { previous: '/data/.old' }),
        restore('r0', strict, early, { released: true }),
        restore('r2', strict, plus(late, '9h'), { status: 'running', instance: GONE }),
      ],
    },
    listings: new Map([['usb' as TargetId, { kind: 'unreachable', error: 'no route' }]]),
  })
  const status = statusOf(wanted, observed, [], NOW)

  it('counts a job by the source that waits longest', () => {
    expect(status.jobs.find(({ id }) => id === 'shop')).toMatchObject({
      lastSuccessAt: early,
      rpoMet: false,
      last: { status: 'running' },
      nextSlot: at('2026-11-21T02:00:00Z'),
    })
    const fresh = statusOf(wanted, observed, [], plus(early, '1h'))
    expect(fresh.jobs.find(({ id }) => id === 'shop')?.rpoMet).toBe(true)
  })

  it('calls a job without a success of every source unprotected', () => {
    const history = { ...observed.history, backups: backups.slice(1, 2) }
    const [, found] = statusOf(wanted, { ...observed, history }, [], NOW).jobs
    expect(found).toMatchObject({ lastSuccessAt: null, rpoMet: false })
  })

  it('reads as a page for a person', () => {
    const page = renderStatus(status, PLAIN)
    expect(page).toMatch(
      /^shop +0 2 \* \* \* +2026-11-21T02:00:00Z \(in 14h\) +2d10h ago, objective 1d2h missed +running$/m,
    )
    expect(page).toMatch(/^usb +local +0 +0 B +unreachable: no route$/m)
    expect(page).toContain(
      'running: shop/db since 2026-11-20T11:00:00Z (1h), but whoever began it is gone',
    )
    expect(page).toContain('the data from before is kept in /data/.old')
    expect(page).toMatch(
      /^restoring: shop into \/data\/files \(r2\) since .*, but whoever began it is gone: its host/m,
    )
  })

  it('reads as a document for a program', () => {
    expect(statusJson(status)).toMatchObject({
      now: '2026-11-20T12:00:00.000Z',
      jobs: [{ id: 'off' }, { id: 'shop', rpoSeconds: 93_600, rpoMet: false }],
      targets: [
        { id: 'nas', copies: 2, sizeBytes: 2000 },
        { id: 'usb', state: 'unreachable' },
      ],
      running: [{ job: 'shop', source: 'db', alive: false, startedAt: '2026-11-20T11:00:00.000Z' }],
      restores: [
        { id: 'r1', previous: '/data/.old' },
        { id: 'r2', status: 'running', alive: false },
      ],
    })
  })
})

describe('how instances stand that share a state', () => {
  const one = (name: string, changes: Partial<InstanceHolding> = {}): InstanceHolding => ({
    id: `id-${name}` as InstanceId,
    name,
    kind: 'daemon',
    labels: [],
    host: 'host',
    pid: 7,
    version: '0.1.0',
    startedAt: at('2026-11-20T11:00:00Z'),
    isDraining: false,
    skew: 12 as Millis,
    until: plus(NOW, '30s'),
    isAlive: true,
    holds: [],
    ...changes,
  })
  const dead = { isAlive: false, until: at('2026-11-20T11:00:00Z') }
  const pause = {
    subject: shop.id,
    reason: 'moving',
    author: 'eve',
    at: at('2026-11-20T11:00:00Z'),
  }
  const wanted = desired([target('nas')], [shop, job('logs')], { instances: 3 })
  const statusWith = (others: readonly InstanceHolding[] | null) =>
    statusOf(wanted, nothing({ others, pauses: [pause] }), [], NOW)
  const seen = [
    one('a', { holds: ['inventory', 'job:shop'] }),
    one('b', { isDraining: true, skew: -90_000 as Millis, version: '0.0.9' }),
    one('b', { id: 'id-b0' as InstanceId, ...dead }),
    one('c', { id: 'id-c0' as InstanceId, ...dead, until: at('2026-11-20T10:00:00Z') }),
    one('c', { id: 'id-c1' as InstanceId, ...dead }),
    one('laptop', { kind: 'command', ...dead }),
    one('operator', { kind: 'command' }),
  ]

  it('names those that live, and daemons that are gone and did not come back', () => {
    const page = renderStatus(statusWith(seen), PLAIN)
    expect(page).toContain(
      [
        'INSTANCE              STATE                            VERSION  CLOCK         HOLDS',
        'a                     alive                            0.1.0    ok            inventory, shop',
        'b                     draining                         0.0.9    1m30s behind  -',
        'c                     gone since 2026-11-20T11:00:00Z  0.1.0    ok            -',
        'operator (a command)  alive                            0.1.0    ok            -',
        '2 of 3 instances live',
      ].join('\n'),
    )
    expect(statusJson(statusWith(seen))).toMatchObject({
      instancesExpected: 3,
      instances: [
        { name: 'a', alive: true, draining: false, holds: ['inventory', 'job:shop'] },
        { name: 'b', draining: true, skewSeconds: -90 },
        { id: 'id-c1', alive: false, until: '2026-11-20T11:00:00.000Z' },
        { name: 'operator', kind: 'command' },
      ],
    })
  })

  it('says nothing of instances where this one is alone with its state', () => {
    expect(renderStatus(statusWith(null), PLAIN)).not.toContain('INSTANCE')
    expect(statusJson(statusWith(null))).toMatchObject({ instances: null, instancesExpected: null })
  })

  it('counts to none where no daemon runs', () => {
    expect(renderStatus(statusWith([]), PLAIN)).toContain('\n0 of 3 instances live')
  })

  it('tells what is paused, why and by whom', () => {
    const page = renderStatus(statusWith(null), PLAIN)
    expect(page).toMatch(/^shop +0 2 \* \* \*, paused /m)
    expect(page).toMatch(/^logs +0 2 \* \* \* {2}/m)
    expect(statusJson(statusWith(null))).toMatchObject({
      jobs: [
        { id: 'logs', paused: false },
        { id: 'shop', paused: true },
      ],
      pauses: [
        { subject: 'shop', reason: 'moving', author: 'eve', at: '2026-11-20T11:00:00.000Z' },
      ],
    })
  })
})

describe('what nothing protects', () => {
  const bare = engine([container('wiki', ['notes:/data'])], [volume('notes')])
  const surroundings = [seenBy('host-a', bare)]
  const wanted = discovering({ auto: null })

  it('is named in the status, and counted in its document', () => {
    const stands = statusOf(wanted, nothing({ surroundings }), [], NOW)
    expect(renderStatus(stands, PLAIN)).toContain(
      [
        'coverage: 0 protected, 0 ignored, 1 unprotected; what to write: holdfast plan',
        '  unprotected volume notes of app wiki, used by wiki',
      ].join('\n'),
    )
    expect(statusJson(stands)).toMatchObject({
      coverage: { unprotected: [{ kind: 'volume', name: 'notes', app: 'wiki' }] },
    })
  })

  it('is no word of the status where nobody looks, and is not called safe where nobody did', () => {
    const off = statusOf(desired([], []), nothing(), [], NOW)
    expect(renderStatus(off, PLAIN)).not.toContain('coverage')
    expect(statusJson(off)).toMatchObject({ coverage: null })
    const blind = statusOf(wanted, nothing(), [], NOW)
    expect(renderStatus(blind, PLAIN)).toContain('coverage: nobody has looked yet')
  })

  it('is drift: the plan has changes', () => {
    const applied = appliedAfter(wanted, null, NOW)
    const open = plan(wanted, nothing({ applied, surroundings }), NOW)
    expect([open.actions, wantsExitCode2(open)]).toEqual([[], true])
    const ignore = [
      { kind: 'app', name: 'wiki', reason: 'a test', until: null, day: null } as const,
    ]
    const left = plan({ ...wanted, ignore }, nothing({ applied, surroundings }), NOW)
    expect(wantsExitCode2(left)).toBe(false)
  })
})
