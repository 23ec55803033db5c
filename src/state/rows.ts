import type { ManifestEncryption } from '../core/manifest.ts'
import type { Backup, Copy, Instant, Run } from '../core/model.ts'
import type { BackupRow, CopyRow, RunRow } from './tables.ts'

/** One row as an array of values in the order of the columns asked for. */
export type Row = readonly (string | number | null)[]

/** Columns of `runs` in the order that `runOf` reads. */
export const RUN_COLUMNS = [
  'id',
  'job',
  'name',
  'slot',
  'trigger',
  'status',
  'instance',
  'started_at',
  'finished_at',
] as const satisfies readonly (keyof RunRow)[]

type RunValues = readonly [
  id: Run['id'],
  job: Run['job'],
  name: string | null,
  slot: Run['slot'],
  trigger: Run['trigger'],
  status: Run['status'],
  instance: Run['instance'],
  startedAt: Run['startedAt'],
  finishedAt: Run['finishedAt'],
]

/** A row of `RUN_COLUMNS` as a run. The schema vouches for its types. */
export function runOf(row: Row): Run {
  const [id, job, name, slot, trigger, status, instance, startedAt, finishedAt] =
    row as unknown as RunValues
  return { id, job, name, slot, trigger, status, instance, startedAt, finishedAt }
}

/** A run as its row. */
export function runRow(run: Run): RunRow {
  return {
    id: run.id,
    job: run.job,
    name: run.name,
    slot: run.slot,
    trigger: run.trigger,
    status: run.status,
    instance: run.instance,
    started_at: run.startedAt,
    finished_at: run.finishedAt,
  }
}

/** Columns of `backups` in the order that `backupOf` reads. */
export const BACKUP_COLUMNS = [
  'id',
  'run',
  'run_name',
  'job',
  'organization',
  'app',
  'source',
  'source_kind',
  'group_id',
  'slot',
  'attempt',
  'trigger',
  'status',
  'instance',
  'fence',
  'started_at',
  'finished_at',
  'stored_bytes',
  'content_bytes',
  'error',
  'warnings',
] as const satisfies readonly (keyof BackupRow)[]

type BackupValues = readonly [
  id: Backup['id'],
  run: Backup['run'],
  runName: string | null,
  job: Backup['job'],
  organization: string | null,
  app: string | null,
  source: string,
  sourceKind: string,
  group: Backup['group'],
  slot: Backup['slot'],
  attempt: number,
  trigger: Backup['trigger'],
  status: Backup['status'],
  instance: Backup['instance'],
  fence: number,
  startedAt: Backup['startedAt'],
  finishedAt: Backup['finishedAt'],
  storedBytes: Backup['storedBytes'],
  contentBytes: Backup['contentBytes'],
  error: string | null,
  warnings: string,
]

const NO_WARNINGS: readonly string[] = Object.freeze([])

/** A row of `BACKUP_COLUMNS` as a backup. The schema vouches for its types. */
export function backupOf(row: Row): Backup {
  const v = row as unknown as BackupValues
  return {
    id: v[0],
    run: v[1],
    runName: v[2],
    job: v[3],
    organization: v[4],
    app: v[5],
    source: v[6],
    sourceKind: v[7],
    group: v[8],
    slot: v[9],
    attempt: v[10],
    trigger: v[11],
    status: v[12],
    instance: v[13],
    fence: v[14],
    startedAt: v[15],
    finishedAt: v[16],
    storedBytes: v[17],
    contentBytes: v[18],
    error: v[19],
    warnings: v[20] === '[]' ? NO_WARNINGS : (JSON.parse(v[20]) as readonly string[]),
  }
}

/** A backup as its row. */
export function backupRow(backup: Backup): BackupRow {
  return {
    id: backup.id,
    run: backup.run,
    run_name: backup.runName,
    job: backup.job,
    organization: backup.organization,
    app: backup.app,
    source: backup.source,
    source_kind: backup.sourceKind,
    group_id: backup.group,
    slot: backup.slot,
    attempt: backup.attempt,
    trigger: backup.trigger,
    status: backup.status,
    instance: backup.instance,
    fence: backup.fence,
    started_at: backup.startedAt,
    finished_at: backup.finishedAt,
    stored_bytes: backup.storedBytes,
    content_bytes: backup.contentBytes,
    error: backup.error,
    warnings: JSON.stringify(backup.warnings),
  }
}

/** Columns of `copies` in the order that `copyOf` reads. */
export const COPY_COLUMNS = [
  'backup',
  'target',
  'group_id',
  'key',
  'status',
  'bytes',
  'sha256',
  'readback',
  'taken_at',
  'verified_at',
  'verify',
  'error',
  'retained_until',
  'retained_why',
  'encryption',
] as const satisfies readonly (keyof CopyRow)[]

type CopyValues = readonly [
  backup: Copy['backup'],
  target: Copy['target'],
  group: Copy['group'],
  key: string,
  status: Copy['status'],
  bytes: Copy['bytes'],
  sha256: string | null,
  readback: string | null,
  takenAt: Copy['takenAt'],
  verifiedAt: Copy['verifiedAt'],
  verify: Copy['verify'],
  error: string | null,
  retainedUntil: Instant | null,
  retainedWhy: NonNullable<Copy['retained']>['why'] | null,
  encryption: string | null,
]

/** A row of `COPY_COLUMNS` as a copy. The schema vouches for its types. */
export function copyOf(row: Row): Copy {
  const v = row as unknown as CopyValues
  return {
    backup: v[0],
    target: v[1],
    group: v[2],
    key: v[3],
    status: v[4],
    bytes: v[5],
    sha256: v[6],
    readback: v[7],
    takenAt: v[8],
    verifiedAt: v[9],
    verify: v[10],
    error: v[11],
    retained: v[12] === null || v[13] === null ? null : { until: v[12], why: v[13] },
    ...(v[14] === null ? {} : { encryption: encryptionOf(v[14]) }),
  }
}

/** A hundred thousand copies have a handful of encryptions among them: each is read once. */
const encryptions = new Map<string, ManifestEncryption | null>()
const MOST_ENCRYPTIONS = 1000

function encryptionOf(text: string): ManifestEncryption | null {
  const known = encryptions.get(text)
  if (known !== undefined) return known
  const read = JSON.parse(text) as ManifestEncryption | null
  if (encryptions.size < MOST_ENCRYPTIONS) encryptions.set(text, read)
  return read
}

/** A copy as its row. */
export function copyRow(copy: Copy): CopyRow {
  return {
    backup: copy.backup,
    target: copy.target,
    group_id: copy.group,
    key: copy.key,
    status: copy.status,
    bytes: copy.bytes,
    sha256: copy.sha256,
    readback: copy.readback,
    taken_at: copy.takenAt,
    verified_at: copy.verifiedAt,
    verify: copy.verify,
    error: copy.error,
    retained_until: copy.retained?.until ?? null,
    retained_why: copy.retained?.why ?? null,
    encryption: copy.encryption === undefined ? null : JSON.stringify(copy.encryption),
  }
}
