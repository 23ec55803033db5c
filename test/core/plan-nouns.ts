import type {
  Backup,
  BackupId,
  Bytes,
  Copy,
  Desired,
  DesiredJob,
  DesiredSource,
  DesiredTarget,
  Encryption,
  GroupId,
  InstanceId,
  Instant,
  JobId,
  Millis,
  Restore,
  RestoreId,
  Retention,
  Run,
  RunId,
  TargetId,
} from '../../src/core/model.ts'
import type { Observed } from '../../src/core/observed.ts'
import type { Finding, Setting } from '../../src/core/posture.ts'
import { parseDuration, parseInstant } from '../../src/lib/time.ts'

/** `2026-11-20T02:00:00Z` as an instant. */
export function at(text: string): Instant {
  const instant = parseInstant(text)
  if (instant === null) throw new Error(`no instant: ${text}`)
  return instant
}

/** `26h` in milliseconds. */
export function lasting(text: string): Millis {
  const millis = parseDuration(text)
  if (millis === null) throw new Error(`no duration: ${text}`)
  return millis
}

export function plus(instant: Instant, duration: string): Instant {
  return (instant + lasting(duration)) as Instant
}

export const HERE = 'instance-here' as InstanceId
export const GONE = 'instance-gone' as InstanceId

export function retention(rules: Partial<Retention> = {}): Retention {
  return {
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
    ...rules,
  }
}

export function target(name: string, changes: Partial<DesiredTarget> = {}): DesiredTarget {
  const path = `/srv/${name}`
  return {
    id: name as TargetId,
    organization: null,
    name,
    kind: 'local',
    options: { path },
    isDefault: false,
    retention: null,
    concurrency: null,
    fingerprint: `${name} ${path}`,
    facts: { type: 'local', path },
    ...changes,
  }
}

export function source(job: string, name: string): DesiredSource {
  return {
    kind: 'directory',
    name,
    group: `system/${job}/${name}` as GroupId,
    options: { path: `/data/${name}` },
  }
}

const SEALED: Encryption = {
  scheme: 'age',
  recipients: ['age1x'],
  passphraseFile: null,
  identityFiles: ['/run/key'],
}

/** A daily job at 02:00 UTC of the sources named, on the targets named. */
export function job(
  name: string,
  what: {
    readonly sources?: readonly string[]
    readonly targets?: readonly string[]
    readonly keep?: Partial<Retention>
  } = {},
  changes: Partial<DesiredJob> = {},
): DesiredJob {
  const targets = what.targets ?? ['nas']
  const { encryption = SEALED } = changes
  return {
    id: name as JobId,
    organization: null,
    name,
    title: name,
    enabled: true,
    schedule: { cron: '0 2 * * *', timezone: 'UTC' },
    sources: (what.sources ?? ['files']).map((one) => source(name, one)),
    targets: targets.map((id) => ({
      target: id as TargetId,
      retention: retention(what.keep),
      encryption,
    })),
    noTarget: targets.length === 0 ? 'neither the job nor the file names a target' : null,
    require: Math.max(1, targets.length),
    retry: { attempts: 3, within: lasting('2h') },
    objectives: { rpo: null, rto: null, verifiedWithin: null, drilledWithin: null },
    notify: [],
    compression: { kind: 'zstd', level: 3 },
    encryption,
    firstRun: 'slot',
    renamedFrom: null,
    maxDuration: null,
    path: null,
    app: null,
    shrinkGuard: 0.5,
    maxDelete: 0.5,
    on: [],
    vardoJobId: null,
    fingerprint: `${name} 1`,
    facts: { schedule: '0 2 * * *', timezone: 'UTC' },
    ...changes,
  }
}

export function desired(
  targets: readonly DesiredTarget[],
  jobs: readonly DesiredJob[],
  changes: Partial<Desired> = {},
): Desired {
  return {
    deployment: 'default',
    dataDir: '/var/lib/holdfast',
    scratchDir: '/var/lib/holdfast/scratch',
    state: { kind: 'sqlite' },
    redis: null,
    identity: { name: null, labels: [] },
    instances: 1,
    http: null,
    encryption: null,
    signing: null,
    limits: { concurrency: 2, bandwidth: null, zstdThreads: 0, nice: 0, maxDuration: null },
    drainTimeout: lasting('10m'),
    restore: { once: false },
    targets,
    jobs,
    channels: [],
    docker: null,
    apps: [],
    auto: null,
    ignore: [],
    unavailable: [],
    notices: [],
    origin: { path: '/etc/holdfast.yml', sha256: '0'.repeat(64), commit: null, files: [] },
    ...changes,
  }
}

/** What was found of a setting: not met, and not ours to set, unless told. */
export function finding(setting: Setting, changes: Partial<Finding> = {}): Finding {
  const told = { expected: 'on', found: null, why: null, met: false, settable: false, hint: null }
  return { setting, ...told, ...changes }
}

/** Nothing applied, nothing in the history, nothing looked at. */
export function nothing(changes: Partial<Observed> = {}): Observed {
  return {
    applied: null,
    history: { runs: [], depth: 'full', backups: [], copies: [], restores: [] },
    listings: new Map(),
    alive: new Set([HERE]),
    pauses: [],
    pruneConfirmed: false,
    postures: new Map(),
    restoreRequested: null,
    warnings: [],
    ...changes,
  }
}

export function backup(
  id: string,
  of: DesiredJob,
  startedAt: Instant,
  changes: Partial<Backup> = {},
): Backup {
  const [first] = of.sources
  const name = changes.source ?? first?.name ?? 'files'
  const open = changes.status === 'running' || changes.status === 'pending'
  return {
    id: id as BackupId,
    run: `run-${id}` as RunId,
    runName: null,
    job: of.id,
    organization: of.organization,
    app: of.app,
    source: name,
    sourceKind: 'directory',
    group: source(of.name, name).group,
    slot: startedAt,
    attempt: 1,
    trigger: 'schedule',
    status: 'success',
    instance: HERE,
    fence: 1,
    startedAt,
    finishedAt: open ? null : startedAt,
    storedBytes: null,
    contentBytes: null,
    error: null,
    warnings: [],
    ...changes,
  }
}

export function runOf(one: Backup, changes: Partial<Run> = {}): Run {
  return {
    id: one.run,
    job: one.job,
    name: null,
    slot: one.slot,
    trigger: one.trigger,
    status: one.status === 'pending' ? 'running' : one.status,
    instance: one.instance,
    startedAt: one.startedAt,
    finishedAt: one.finishedAt,
    ...changes,
  }
}

export function copy(of: Backup, on: string, key: string, changes: Partial<Copy> = {}): Copy {
  return {
    backup: of.id,
    target: on as TargetId,
    group: of.group,
    key,
    status: 'complete',
    bytes: 1000 as Bytes,
    sha256: 'a'.repeat(64),
    readback: 'size',
    takenAt: of.finishedAt ?? of.startedAt,
    verifiedAt: null,
    verify: 'never',
    error: null,
    retained: null,
    ...changes,
  }
}

export function restore(
  id: string,
  of: DesiredJob,
  finishedAt: Instant,
  changes: Partial<Restore> = {},
): Restore {
  const [first] = of.sources
  return {
    id: id as RestoreId,
    reference: of.id,
    job: of.id,
    source: first?.name ?? null,
    group: first?.group ?? null,
    backup: null,
    target: 'nas' as TargetId,
    key: 'system/x/y',
    sha256: 'a'.repeat(64),
    to: '/data/files',
    inPlace: true,
    status: 'success',
    by: 'command',
    instance: HERE,
    home: null,
    previous: null,
    startedAt: finishedAt,
    finishedAt,
    error: null,
    released: false,
    ...changes,
  }
}
