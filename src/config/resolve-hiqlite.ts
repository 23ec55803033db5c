import { parseCryptrKeys } from '../core/cryptr-keys.ts'
import { groupOf } from '../core/group.ts'
import type {
  Channel,
  DesiredJob,
  DesiredTarget,
  Encryption,
  Instant,
  JobId,
  JobTarget,
  Millis,
  Schedule,
} from '../core/model.ts'
import { scheduleFault } from '../core/schedule.ts'
import { parseDuration } from '../lib/time.ts'
import type { Block } from './block.ts'
import { child, fault, items, named, number, read, strings, text } from './block.ts'
import { UNKNOWN } from './hiqlite-secrets.ts'
import { HIQLITE_TABLES, type HiqliteMachine } from './hiqlite-settings.ts'
import { hiqliteLocal, hiqliteS3, missing } from './hiqlite-targets.ts'
import { jobFacts } from './job-facts.ts'
import type { PlacedJob } from './resolve-jobs.ts'
import { USUAL_OBJECTIVES, USUAL_RETRY } from './resolve-jobs.ts'
import type { PlacedSource } from './resolve-sources.ts'
import { keepEverything } from './retention.ts'
import { fingerprintOf } from './words.ts'

/** What Hiqlite's table becomes. */
export interface HiqliteParts {
  readonly targets: readonly DesiredTarget[]
  readonly jobs: readonly PlacedJob[]
}

export interface HiqliteSurroundings {
  readonly machine: HiqliteMachine
  /** Each of the system's hears of the job. */
  readonly channels: readonly Channel[]
  readonly now: Instant
}

const NAME = 'hiqlite'
const DAY = 86_400_000

/**
 * The targets and the job of Hiqlite's table, if the config has one: its backups where Hiqlite makes
 * its own, plain, and encrypted at the bucket's root once `s3_url` is set, under Hiqlite's names.
 */
export function resolveHiqlite(root: Block, surroundings: HiqliteSurroundings): HiqliteParts {
  const [table, second] = HIQLITE_TABLES.flatMap((name) => child(root, name) ?? [])
  if (table === undefined) return { targets: [], jobs: [] }
  if (second !== undefined) {
    const message = `stands beside "${table.path}", and both are Hiqlite's table`
    second.context.faults.add(second.place, second.path, message, 'keep one of the two')
  }
  const local = hiqliteLocal(table)
  const remote = hiqliteS3(table)
  const targets = remote === null ? [local] : [local, remote]
  checkNames(root, table, targets)
  return { targets, jobs: [jobOf(table, targets, surroundings)] }
}

function checkNames(root: Block, table: Block, targets: readonly DesiredTarget[]): void {
  const taken = [
    ...named(root, 'targets').filter(([name]) => targets.some((one) => one.id === name)),
    ...named(root, 'jobs').filter(([name]) => name === NAME),
  ]
  for (const [, { context, place, path }] of taken) {
    context.faults.add(place, path, `this name belongs to what "${table.path}" makes`)
  }
}

function jobOf(
  table: Block,
  [local, remote]: readonly DesiredTarget[],
  { machine, channels, now }: HiqliteSurroundings,
): PlacedJob {
  const nodeId = nodeOf(table)
  const source = sourceOf(table, nodeId, machine)
  const declared: Omit<DesiredJob, 'fingerprint' | 'facts'> = {
    id: NAME as JobId,
    organization: null,
    name: NAME,
    title: NAME,
    enabled: true,
    schedule: scheduleOf(table, machine, now),
    sources: [source.source],
    targets: jobTargets(table, local, remote),
    noTarget: null,
    // As with Hiqlite, a bucket that is away costs no local backup; the next pass brings it there.
    require: 1,
    retry: USUAL_RETRY,
    objectives: USUAL_OBJECTIVES,
    notify: channels.filter(isOfSystem).map(({ id, on }) => ({ channel: id, on })),
    compression: { kind: 'none' },
    encryption: null,
    firstRun: 'slot',
    renamedFrom: null,
    maxDuration: null,
    path: `backup_node_${nodeId}_{unix}.sqlite`,
    app: null,
    shrinkGuard: 0.5,
    maxDelete: 0.5,
    on: [],
    vardoJobId: null,
  }
  const facts = jobFacts(declared)
  const job = { ...declared, facts, fingerprint: fingerprintOf(facts) }
  return { job, block: table, sources: [source] }
}

function isOfSystem({ id }: Channel): boolean {
  return !id.includes('/')
}

/** The number of the node, which its backups are named after; 1 when it is at fault. */
function nodeOf(table: Block): number {
  const nodeId = number(table, 'node_id')
  if (nodeId === null) {
    const hint = 'set it, or HQL_NODE_ID, or node_id_from = "k8s"'
    fault(table, 'node_id', 'is missing: backups are named after their node', hint)
  } else if (nodeId > nodesOf(table)) {
    fault(table, 'node_id', `there is no node ${nodeId}: "nodes" names ${nodesOf(table)}`)
  }
  return nodeId ?? 1
}

function nodesOf(table: Block): number {
  return Math.max(1, items(table, 'nodes').length)
}

function sourceOf(table: Block, nodeId: number, { skipValidation }: HiqliteMachine): PlacedSource {
  const id = NAME as JobId
  const group = groupOf({ organization: null, app: null, job: id, source: NAME })
  const options = {
    data_dir: text(table, 'data_dir') ?? '',
    filename_db: text(table, 'filename_db') ?? '',
    node_id: nodeId,
    nodes: nodesOf(table),
    skip_validation: skipValidation,
  }
  return { block: table, source: { kind: NAME, name: NAME, group, options } }
}

function scheduleOf(table: Block, { timezone }: HiqliteMachine, now: Instant): Schedule {
  const schedule: Schedule = {
    cron: (text(table, 'backup_cron') ?? '').trim(),
    timezone,
    dialect: 'cron-crate',
  }
  const problem = scheduleFault(schedule, now)
  if (problem === null) {
    table.context.notice(
      `${table.path}.backup_cron: its times are those of ${timezone}, the local time zone; ` +
        'TZ sets another',
    )
    return schedule
  }
  const value = table.tree.entries.get('backup_cron')?.value
  const isHidden = value?.kind === 'scalar' && value.hidden
  const hint =
    'sec min hour day_of_month month day_of_week year, Sunday is 1: ' +
    '"0 30 2 * * * *" is 02:30 every day'
  fault(table, 'backup_cron', isHidden ? 'is no usable schedule' : problem, hint)
  return schedule
}

function jobTargets(
  table: Block,
  local: DesiredTarget | undefined,
  remote: DesiredTarget | undefined,
): readonly JobTarget[] {
  const kept = (days: string, age: string): JobTarget['retention'] => ({
    ...keepEverything('UTC'),
    keepAll: false,
    keepWithin: ageOf(table, days, age),
  })
  const retention = kept('backup_keep_days_local', 'backup_keep_for_local')
  const here = { retention, encryption: null }
  if (local === undefined) return []
  if (remote === undefined) return [{ target: local.id, ...here }]
  const there = kept('backup_keep_days', 'backup_keep_for')
  return [
    { target: local.id, ...here, prunedAfter: remote.id },
    { target: remote.id, retention: there, encryption: encryptionOf(table) },
  ]
}

/** Hiqlite counted days up to 0.14, and takes any age since; no version of it takes both. */
function ageOf(table: Block, days: string, age: string): Millis {
  const written = read(table, age)
  if (written === null) return ((number(table, days) ?? 0) * DAY) as Millis
  if (table.tree.entries.has(days)) {
    fault(table, days, `and ${age} are both set`, 'keep the one that your version of Hiqlite reads')
  }
  const [, count = '0', unit = 's'] = /^(\d+)\s*(\D?)$/.exec(`${written}`.trim()) ?? []
  return (parseDuration(`${count}${(unit || 's').toLowerCase()}`) ?? 0) as Millis
}

/** The keys that close what goes to the bucket; faults never quote them. */
function encryptionOf(table: Block): Encryption {
  const { keys, faults, duplicates } = parseCryptrKeys(strings(table, 'enc_keys'))
  for (const id of duplicates) {
    table.context.notice(`${table.path}.enc_keys: key ${id} is there again; the first one holds`)
  }
  const active = text(table, 'enc_key_active') ?? UNKNOWN
  for (const key of ['enc_keys', 'enc_key_active']) {
    if (!table.tree.entries.has(key)) missing(table, key)
  }
  const written = strings(table, 'enc_keys')
  // What is no text has its fault already.
  const isUnread = items(table, 'enc_keys').length > written.length
  const isUnknown = !table.tree.entries.has('enc_keys') || isUnread || written[0] === UNKNOWN
  if (faults.length > 0) {
    fault(table, 'enc_keys', faults.join('; '), 'a key is written id/base64')
  } else if (keys.length === 0 && !isUnknown) {
    fault(table, 'enc_keys', 'holds no key', 'a key is written id/base64')
  } else if (active !== UNKNOWN && !isUnknown && keys.every(({ id }) => id !== active)) {
    const hint = `known ids: ${keys.map(({ id }) => id).join(', ')}`
    fault(table, 'enc_key_active', 'is the id of none of the keys', hint)
  }
  return { scheme: 'cryptr', keys, active }
}
