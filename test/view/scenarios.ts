import { JOB_MAKING } from '../../src/config/auto-template.ts'
import type { Plan } from '../../src/core/action.ts'
import { appliedAfter } from '../../src/core/applied.ts'
import { type AutoMade, autoJobs } from '../../src/core/auto-jobs.ts'
import type {
  Bytes,
  Desired,
  DesiredJob,
  GroupId,
  Instant,
  JobId,
  Retention,
  TargetId,
} from '../../src/core/model.ts'
import { plan, pruneOlderThan } from '../../src/core/plan.ts'
import {
  composed,
  composedVolume,
  container,
  discovering,
  engine,
  SHOP,
  seenBy,
  volume,
} from '../core/docker-nouns.ts'
import {
  at,
  backup,
  desired,
  finding,
  GONE,
  job,
  lasting,
  nothing,
  plus,
  restore,
  target,
} from '../core/plan-nouns.ts'
import {
  act,
  change,
  copyKey,
  createWorld,
  drop,
  observe,
  put,
  type World,
} from '../core/plan-world.ts'

const BEGIN = at('2026-11-10T12:00:00Z')
const NOW = at('2026-11-20T02:00:05Z')
const NAS = 'nas' as TargetId

/** Lives from `BEGIN` to just before `NOW`, a pass each six hours. */
function lived(wanted: Desired, until: Instant = NOW): World {
  const world = createWorld(wanted, BEGIN)
  for (; world.now < until; world.now = plus(world.now, '6h')) {
    for (let round = 0; round < 3; round++) {
      act(world, plan(wanted, observe(world), world.now))
    }
  }
  world.now = until
  return world
}

function ofNow(world: World, wanted: Desired = world.desired): Plan {
  return plan(wanted, observe(world), world.now)
}

const objectives = { rpo: null, rto: null, verifiedWithin: lasting('7d'), drilledWithin: null }
const WEEK: Partial<Retention> = { keepLast: 1, keepDaily: 7 }
const shop = (keep = WEEK, changes: Partial<DesiredJob> = {}) =>
  job('shop', { sources: ['files', 'db'], keep }, { objectives, ...changes })
const daily = desired([target('nas')], [shop()])

const keep = { 'holdfast.persistent': 'true' }
const ofBlog = (color: string) => ({
  ...composed(`blog-${color}`, 'web'),
  'vardo.project': 'blog',
  'vardo.environment': 'production',
  ...keep,
})

/** A compose app, one of Vardo's with both of its slots, and what stands beside them. */
const HOST = engine(
  [
    ...SHOP.containers,
    container('blog-green-web-1', ['blog-green_data:/data'], { labels: ofBlog('green') }),
    container('blog-blue-web-1', ['blog-blue_data:/data'], {
      labels: ofBlog('blue'),
      state: 'exited',
    }),
    container('wiki', ['notes:/data', 'tiles:/cache', '/srv/wiki:/etc/wiki', 'thumbs:/thumbs']),
    container('backup', ['notes:/backup/notes:ro'], {
      image: 'offen/docker-volume-backup:v2',
      words: { BACKUP_CRON_EXPRESSION: '0 4 * * *', BACKUP_RETENTION_DAYS: '14' },
    }),
  ],
  [
    ...SHOP.volumes,
    composedVolume('blog-blue', 'data'),
    composedVolume('blog-green', 'data'),
    volume('notes'),
    volume('tiles'),
    volume('thumbs'),
  ],
)

function dockerPlan(): Plan {
  const ignore = [
    { kind: 'volume', name: 'tiles', reason: 'a cache', until: null, day: null },
    {
      kind: 'volume',
      name: 'thumbs',
      reason: 'made again from the originals',
      until: at('2026-11-01T00:00:00Z'),
      day: '2026-10-31',
    },
  ] as const
  const own = job('ledger', {}, { sources: [] })
  const wanted = discovering({ ignore })
  const surroundings = [seenBy('host-a', HOST)]
  const before: AutoMade = {
    app: 'ledger',
    organization: null,
    instance: 'host-a',
    engine: 'engine-1',
    name: 'ledger',
    madeAt: BEGIN,
    volumes: ['data'],
    ended: null,
  }
  const source = { kind: 'volume', name: 'data', options: { app: 'ledger', volume: 'data' } }
  const ledger = {
    ...own,
    sources: [{ ...source, group: 'system/ledger/data' as GroupId }],
  } satisfies DesiredJob
  const declared = { ...wanted, jobs: [ledger] }
  const { jobs, made } = autoJobs(
    { desired: declared, surroundings, made: [before], now: NOW },
    JOB_MAKING,
  )
  const auto = job('auto-ledger', {}, { auto: { app: 'ledger', instance: 'host-a' } })
  const applied = appliedAfter({ ...wanted, jobs: [auto] }, null, BEGIN)
  const all = { ...declared, jobs: [...declared.jobs, ...jobs] }
  return plan(all, nothing({ applied, surroundings, autoMade: made }), NOW)
}

/** Plans that a reader of the golden files knows from life, by name. */
export const SCENARIOS: Readonly<Record<string, () => Plan>> = {
  'first-start': () => {
    const eager = job('quick', {}, { firstRun: 'now', encryption: null })
    const wanted = desired([target('nas'), target('far', { kind: 's3' })], [shop(), eager], {
      unavailable: [{ path: 'targets.far', what: 'target type s3' }],
    })
    return plan(wanted, nothing(), NOW)
  },

  'nothing-to-do': () => {
    const world = lived(daily)
    for (let round = 0; round < 3; round++) act(world, ofNow(world))
    return ofNow(world)
  },

  'slot-due': () => ofNow(lived(daily)),

  'missed-slots': () => {
    const world = lived(daily, at('2026-11-17T06:00:00Z'))
    world.now = NOW
    return ofNow(world)
  },

  'retry-and-spent': () => {
    const world = lived(daily, at('2026-11-19T12:00:00Z'))
    world.now = NOW
    world.fate = (_job, source) => (source.name === 'db' ? 'failed' : 'success')
    act(world, ofNow(world))
    world.now = plus(NOW, '90s')
    return ofNow(world)
  },

  'config-changed': () => {
    const wanted = desired(
      [
        target('nas', { fingerprint: 'new', facts: { type: 'local', path: '/mnt/nas' } }),
        target('usb'),
      ],
      [
        shop(WEEK, {
          fingerprint: 'new',
          schedule: { cron: '0 3 * * *', timezone: 'Europe/Berlin' },
          facts: { schedule: '0 3 * * *', timezone: 'Europe/Berlin' },
        }),
        job('store', {}, { renamedFrom: 'logs' as JobId }),
      ],
    )
    const world = lived(
      desired(
        [target('nas'), target('attic')],
        [shop(), job('logs'), job('old', { targets: ['attic'] })],
      ),
    )
    world.now = plus(NOW, '1h')
    act(world, {
      ...ofNow(world),
      actions: ofNow(world).actions.filter(({ kind }) => kind === 'backup'),
    })
    return plan(wanted, observe(world), world.now)
  },

  'retention-tightened': () => {
    const world = lived(desired([target('nas')], [shop({ keepDaily: 9 })]))
    act(world, ofNow(world))
    const tight = shop({ keepLast: 1, keepDaily: 5, keepWeekly: 2 }, { fingerprint: 'tight' })
    return ofNow(world, desired([target('nas')], [tight]))
  },

  'retention-blocked': () => {
    const world = lived(desired([target('nas')], [shop({ keepDaily: 9 })]))
    act(world, ofNow(world))
    return ofNow(world, desired([target('nas')], [shop({ keepLast: 2 })]))
  },

  'after-a-failure': () => {
    const world = lived(desired([target('nas')], [shop({ keepDaily: 9 })]))
    world.fate = () => 'failed'
    act(world, ofNow(world))
    return ofNow(world, desired([target('nas')], [shop({ keepDaily: 6 })]))
  },

  'shrunk-archive': () => {
    const world = lived(desired([target('nas')], [shop({ keepDaily: 9 })]))
    world.bytes = (_job, source) => (source.name === 'db' ? 12 : 1000)
    act(world, ofNow(world))
    return ofNow(world, desired([target('nas')], [shop({ keepDaily: 6 })]))
  },

  'older-than': () => {
    const world = lived(desired([target('nas')], [shop({ keepDaily: 30 })]))
    return pruneOlderThan(world.desired, observe(world), at('2026-11-14T00:00:00Z'), NOW)
  },

  'killed-in-the-middle': () => {
    const world = lived(daily)
    world.fate = (_job, source) =>
      source.name === 'db' ? 'killed-after-manifest' : 'killed-before-manifest'
    act(world, ofNow(world))
    return ofNow(world)
  },

  'drift-on-the-target': () => {
    const world = lived(daily)
    act(world, ofNow(world))
    const complete = [...world.copies.values()].filter(({ status }) => status === 'complete')
    const [first, second, third] = complete
    if (!first || !second || !third) throw new Error('no copies')
    drop(world, first)
    put(world, NAS, second.key, 10)
    world.copies.delete(copyKey(third))
    put(world, NAS, 'holiday.jpg', 5_000_000)
    const token = [...world.backups.keys()][0] ?? ''
    const upload = { key: `${first.key}.next`, token, bytes: 4096 as Bytes }
    world.shelves.get(NAS)?.unfinished.set(token, upload)
    return ofNow(world)
  },

  'copy-lost': () => {
    const both = job('shop', { targets: ['nas', 'usb'] }, { objectives })
    const world = lived(desired([target('nas'), target('usb')], [both]))
    const lost = [...world.copies.values()].filter((one) => one.target === 'usb').slice(0, 2)
    for (const copy of lost) {
      drop(world, copy)
      change(world.copies, copyKey(copy), { status: 'failed' })
    }
    return ofNow(world)
  },

  'target-away': () => {
    const world = lived(
      desired([target('nas'), target('usb')], [shop({ keepLast: 1 }, { maxDelete: 1 })]),
    )
    const usb = world.shelves.get('usb' as TargetId)
    if (usb) usb.state = 'unreachable'
    const nas = world.shelves.get(NAS)
    if (nas) nas.state = 'unreachable'
    return ofNow(world)
  },

  'still-running-and-no-target': () => {
    const homeless = job('homeless', { targets: [] })
    const world = lived(desired([target('nas')], [shop(), homeless]), at('2026-11-19T12:00:00Z'))
    const row = backup('b-manual', shop(), at('2026-11-20T01:59:00Z'), {
      slot: null,
      trigger: 'manual',
      status: 'running',
    })
    world.backups.set(row.id, row)
    world.now = NOW
    return ofNow(world)
  },

  'apps-of-docker': () => dockerPlan(),

  'restore-at-boot': () => {
    const restoreRequested = { variable: 'HQL_BACKUP_RESTORE', value: 'file:/srv/nas/x.sqlite.zst' }
    return plan(daily, { ...observe(lived(daily)), restoreRequested }, NOW)
  },

  'after-a-restore': () => {
    const world = lived(daily)
    act(world, ofNow(world))
    world.restores.set(
      'r1',
      restore('r1', shop(), plus(NOW, '1m'), { previous: '/data/.files.previous' }),
    )
    const old = { source: 'db', group: shop().sources[1]?.group ?? null }
    world.restores.set('r0', restore('r0', shop(), at('2026-11-18T00:00:00Z'), old))
    world.now = plus(NOW, '2m')
    return ofNow(world)
  },

  'verify-due': () => {
    const world = lived(daily)
    act(world, ofNow(world))
    for (const [key, one] of world.copies) {
      if (one.group.endsWith('/db'))
        change(world.copies, key, { verify: 'never', verifiedAt: null })
      else if (one.verify === 'ok')
        change(world.copies, key, { verifiedAt: at('2026-11-11T00:00:00Z') })
    }
    return ofNow(world)
  },

  'bucket-not-as-expected': () => {
    const wanted = desired([target('nas'), target('far', { kind: 's3' })], [shop()])
    const world = lived(wanted)
    for (let round = 0; round < 3; round++) act(world, ofNow(world))
    world.postures.set('far' as TargetId, {
      kind: 'seen',
      findings: [
        finding('versioning', { found: 'off', settable: true }),
        finding('object_lock', {
          expected: 'compliance for 30 days',
          found: 'off',
          hint: 'make another bucket with object lock: a bucket cannot be given it later',
        }),
        finding('encryption', { found: 'on', met: true }),
        finding('public_access', {
          expected: 'off',
          why: 'the server knows no such setting',
          hint: 'take it out of expect',
        }),
      ],
    })
    return ofNow(world)
  },

  'hostile-names': () => {
    const row = backup('b1', shop(), BEGIN, {
      status: 'running',
      instance: `${GONE}\u001b[2J\n| <b>@everyone</b>` as typeof GONE,
    })
    const history = { ...nothing().history, backups: [row] }
    return plan(daily, nothing({ applied: appliedAfter(daily, null, NOW), history }), NOW)
  },
}
