/*
 * How long `holdfast plan` takes on a large deployment: `node bench/plan-command.ts [--keep]`. A
 * thousand jobs with a hundred copies each: real files on a local target, an archive of a few bytes
 * and its manifest, all of them known to the history. Medians of five rounds, once when nothing is
 * to be done and once when a tightened retention deletes the half of it. Ends with 1 when the first
 * takes more than three seconds.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { loadConfig } from '../src/config/load.ts'
import { appliedAfter } from '../src/core/applied.ts'
import { archiveKey, manifestKey } from '../src/core/archive-key.ts'
import { encodeManifest, type Manifest } from '../src/core/manifest.ts'
import type { Backup, Copy, Desired, DesiredJob, Instant, Run } from '../src/core/model.ts'
import { latestSlot } from '../src/core/schedule.ts'
import { backupRow, copyRow, runRow } from '../src/state/rows.ts'
import { openSqliteStore } from '../src/state/sqlite.ts'
import { HOLDFAST } from './contenders.ts'
import { measure, median } from './measure.ts'
import { pipe } from './programs.ts'

const DAY = 24 * 60 * 60_000
const JOBS = 1000
const COPIES_OF_A_JOB = 100
const ROUNDS = 5
const BUDGET_SECONDS = 3
const CONTENT = 'archive\n'
const SHA256 = 'c4d1b8c1e2d3a4f5'.repeat(4)

/** One backup with its one copy. */
interface Entry {
  readonly run: Run
  readonly backup: Backup
  readonly copy: Copy
}

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-plan-'))
  const config = join(folder, 'holdfast.yml')
  try {
    await writeFile(config, configText(folder, COPIES_OF_A_JOB))
    const desired = await loadConfig({ path: config, env: {}, cwd: folder })
    const entries = desired.jobs.flatMap((job) => entriesOf(job, Date.now() as Instant))
    for (const entry of entries) writeObjects(join(folder, 'archives'), entry)
    await writeState(desired, entries)
    console.log(`${JOBS} jobs, ${entries.length} copies in ${folder}`)
    console.log('plan                      median s   cpu s   peak MiB')
    const seconds = await timed('nothing to be done', config)
    await writeFile(config, configText(folder, COPIES_OF_A_JOB / 2))
    await timed('half of it to be deleted', config)
    process.exitCode = seconds <= BUDGET_SECONDS ? 0 : 1
  } finally {
    if (!process.argv.includes('--keep')) await rm(folder, { recursive: true, force: true })
  }
}

function configText(folder: string, keep: number): string {
  const jobs = Array.from(
    { length: JOBS },
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
  shelf: { type: local, path: ${folder}/archives }
jobs:
${jobs.join('')}`
}

/** A backup of each of the last days, all of them verified, the newest one of the last slot. */
function entriesOf(job: DesiredJob, now: Instant): readonly Entry[] {
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

function writeObjects(root: string, { backup, copy }: Entry): void {
  const path = join(root, copy.key)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, CONTENT)
  writeFileSync(join(root, manifestKey(copy.key)), encodeManifest(manifestOf(backup, copy)))
}

function manifestOf(backup: Backup, copy: Copy): Manifest {
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
async function writeState(desired: Desired, entries: readonly Entry[]): Promise<void> {
  const path = join(desired.dataDir, 'state.db')
  const store = await openSqliteStore({ path })
  const before = (Date.now() - 2 * COPIES_OF_A_JOB * DAY) as Instant
  await store.saveApplied(appliedAfter(desired, null, before))
  await store.close()
  using state = new DatabaseSync(path)
  state.exec('pragma synchronous = off; begin')
  for (const { run, backup, copy } of entries) {
    insert(state, 'runs', runRow(run))
    insert(state, 'backups', backupRow(backup))
    insert(state, 'copies', copyRow(copy))
  }
  state.exec('commit; pragma wal_checkpoint(truncate)')
}

const statements = new Map<string, ReturnType<DatabaseSync['prepare']>>()

function insert(state: DatabaseSync, table: string, row: object): void {
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

async function timed(name: string, config: string): Promise<number> {
  const usages = []
  for (let round = 0; round <= ROUNDS; round++) {
    const step = { command: HOLDFAST, args: ['plan', '--config', config] }
    const usage = await measure((follow) => pipe([step], follow))
    // The first one only warms what is read.
    if (round > 0) usages.push(usage)
  }
  const seconds = median(usages.map((usage) => usage.seconds))
  const cells = [
    seconds.toFixed(2).padStart(8),
    median(usages.map(({ cpuSeconds }) => cpuSeconds))
      .toFixed(2)
      .padStart(7),
    (Math.max(...usages.map(({ mainPeak }) => mainPeak)) / 2 ** 20).toFixed(0).padStart(10),
  ]
  console.log(`${name.padEnd(25)} ${cells.join(' ')}`)
  return seconds
}

await main()
