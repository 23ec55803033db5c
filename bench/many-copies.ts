import { join } from 'node:path'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { appliedAfter } from '../src/core/applied.ts'
import { archiveKey } from '../src/core/archive-key.ts'
import type { Manifest } from '../src/core/manifest.ts'
import type { Backup, Copy, Desired, DesiredJob, Instant, Run } from '../src/core/model.ts'
import { latestSlot } from '../src/core/schedule.ts'
import { backupRow, copyRow, runRow } from '../src/state/rows.ts'
import { openSqliteStore } from '../src/state/sqlite.ts'

const DAY = 24 * 60 * 60_000
export const COPIES_OF_A_JOB = 100
export const CONTENT = 'archive\n'
const SHA256 = 'c4d1b8c1e2d3a4f5'.repeat(4)

/** One backup with its one copy. */
export interface Entry {
  readonly run: Run
  readonly backup: Backup
  readonly copy: Copy
}

/** A deployment whose jobs have run for a hundred days. */
export interface Deployment {
  readonly folder: string
  readonly jobs: number
  /** Block of the target that has all copies. */
  readonly target: string
}

/** Its config, in which each job keeps so many days. */
export function configText({ folder, jobs, target }: Deployment, keep: number): string {
  const blocks = Array.from(
    { length: jobs },
    (_, index) => `  job-${index}:
    schedule: "0 2 * * *"
    source: { type: directory, path: ${folder}/data, name: data }
    targets: [shelf]
    retention: { keep_daily: ${keep} }
    max_delete: 100%
`,
  )
  return `data_dir: ${folder}/state
targets:
  shelf: ${target}
jobs:
${blocks.join('')}`
}

/** A backup of each of the last days, all of them verified, the newest one of the last slot. */
export function entriesOf(job: DesiredJob, now: Instant): readonly Entry[] {
  const [source] = job.sources
  const [target] = job.targets
  const newest = job.schedule && latestSlot(job.schedule, now)
  if (!source || !target || !newest) throw new Error('the config of the bench is incomplete')
  return Array.from({ length: COPIES_OF_A_JOB }, (_, age) => {
    const slot = (newest - age * DAY) as Instant
    const startedAt = (slot + 1000) as Instant
    const finishedAt = (slot + 5000) as Instant
    const common = {
      job: job.id,
      slot,
      trigger: 'schedule',
      status: 'success',
      instance: 'bench' as Run['instance'],
      startedAt,
      finishedAt,
    } as const
    const run: Run = { ...common, id: `run-${job.id}-${age}` as Run['id'], name: null }
    const backup: Backup = {
      ...common,
      id: `backup-${job.id}-${age}` as Backup['id'],
      run: run.id,
      runName: null,
      organization: null,
      app: null,
      source: source.name,
      sourceKind: source.kind,
      group: source.group,
      attempt: 1,
      fence: 1,
      storedBytes: CONTENT.length as Backup['storedBytes'],
      contentBytes: null,
      error: null,
      warnings: [],
    }
    const copy: Copy = {
      backup: backup.id,
      target: target.target,
      group: source.group,
      key: archiveKey(job, source, startedAt, '.tar.zst'),
      status: 'complete',
      bytes: CONTENT.length as Copy['bytes'],
      sha256: SHA256,
      readback: 'size',
      takenAt: finishedAt,
      verifiedAt: now,
      verify: 'ok',
      error: null,
      retained: null,
    }
    return { run, backup, copy }
  })
}

/** What lies beside the copy. */
export function manifestOf(backup: Backup, copy: Copy): Manifest {
  return {
    version: 1,
    deployment: 'default',
    run: backup.run,
    runName: null,
    backup: backup.id,
    job: backup.job,
    organization: null,
    app: null,
    slot: backup.slot,
    attempt: backup.attempt,
    fence: backup.fence,
    source: { type: backup.sourceKind, name: backup.source, facts: {} },
    started: backup.startedAt,
    finished: copy.takenAt,
    key: copy.key,
    stored: { bytes: CONTENT.length as Manifest['stored']['bytes'], sha256: SHA256 },
    layers: ['tar', 'zstd'],
    encryption: null,
    config: { sha256: SHA256, commit: null },
    instance: backup.instance,
    holdfast: '0.1.0',
    warnings: [],
  }
}

/** All at once: the store's own way is durable at each row, which is not what is measured here. */
export async function writeState(desired: Desired, entries: readonly Entry[]): Promise<void> {
  const path = join(desired.dataDir, 'state.db')
  const store = await openSqliteStore({ path })
  const before = (Date.now() - 2 * COPIES_OF_A_JOB * DAY) as Instant
  await store.saveApplied(appliedAfter(desired, null, before))
  await store.close()
  using state = new DatabaseSync(path)
  state.exec('pragma synchronous = off; begin')
  const into = { state, statements: new Map() }
  for (const { run, backup, copy } of entries) {
    insert(into, 'runs', runRow(run))
    insert(into, 'backups', backupRow(backup))
    insert(into, 'copies', copyRow(copy))
  }
  state.exec('commit; pragma wal_checkpoint(truncate)')
}

type Statements = Map<string, ReturnType<DatabaseSync['prepare']>>

function insert(
  { state, statements }: { readonly state: DatabaseSync; readonly statements: Statements },
  table: string,
  row: object,
): void {
  const columns = Object.keys(row)
  const known = statements.get(table)
  const statement =
    known ??
    state.prepare(
      `insert into ${table} (${columns.join(', ')}) values (${columns.map(() => '?').join(', ')})`,
    )
  statements.set(table, statement)
  statement.run(...(Object.values(row) as SQLInputValue[]))
}
