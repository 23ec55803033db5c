/*
 * What a daemon holds while it has nothing to do: `node bench/idle.ts`. It runs a config like that
 * of the quickstart, on the hour, until its first backups are made and verified, and is then left
 * alone: at the first start ever of an installation, with nothing compiled yet, and at the next. Then
 * as one of several, with its state in PostgreSQL and leases in Redis, both on loopback. Ends with 1
 * when it holds more than 80 MB, or 110 MB with the two, or takes more than 0.5 % of a core.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { startPostgres } from '../test/services/postgres.ts'
import { startRedis } from '../test/services/redis.ts'
import { memoryOf, shareOf } from './measure.ts'

/** Resident bytes that an idle daemon may hold, alone and with PostgreSQL and Redis. */
const BUDGET = 80e6
const SHARED_BUDGET = 110e6
/** Share of a core that it may take at rest. */
const CPU_BUDGET = 0.005
/** How long that is measured, in milliseconds. */
const CPU_SPAN = 60_000
/** Of the kernel's accounting in a second. */
const TICKS = 100
/** From its last word to the measurement of its rest, in milliseconds. */
const REST = 10_000
/** A database and a directory, each backed up and verified. */
const DEEDS = { 'backup.done': 2, 'verify.done': 2 } as const

interface Idle {
  readonly resident: number
  readonly share: number
  readonly peak: number
  readonly started: number
  /** Share of a core. */
  readonly cpu: number
}

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-idle-'))
  try {
    const program = await install(join(folder, 'holdfast'))
    console.log(
      'idle daemon    resident MB   shared pages halved MB   peak MB   daemon.started after s   % of a core',
    )
    for (const [index, name] of ['first start', 'next start'].entries()) {
      tell(name, await run(program, join(folder, `run-${index}`), {}), BUDGET)
    }
    await using postgres = await startPostgres()
    await using redis = await startRedis()
    const env = { HOLDFAST_STATE: await postgres.database(), HOLDFAST_REDIS_URL: redis.url }
    tell('shared state', await run(program, join(folder, 'run-shared'), env), SHARED_BUDGET)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function tell(name: string, { resident, share, peak, started, cpu }: Idle, budget: number): void {
  const cells = [
    name.padEnd(12),
    megabytes(resident).padStart(13),
    megabytes(share).padStart(24),
    megabytes(peak).padStart(9),
    (started / 1000).toFixed(2).padStart(24),
    (cpu * 100).toFixed(2).padStart(13),
  ]
  console.log(cells.join(' '))
  if (resident > budget || cpu > CPU_BUDGET) process.exitCode = 1
}

/** This checkout under another name, with the same packages and no code compiled yet. */
async function install(folder: string): Promise<string> {
  const here = join(import.meta.dirname, '..')
  await mkdir(join(folder, 'node_modules'), { recursive: true })
  for (const part of ['bin', 'src', 'schema', 'package.json']) {
    await cp(join(here, part), join(folder, part), { recursive: true })
  }
  for (const name of await readdir(join(here, 'node_modules'))) {
    if (name === '.cache') continue
    await symlink(join(here, 'node_modules', name), join(folder, 'node_modules', name))
  }
  return join(folder, 'bin', 'holdfast')
}

async function run(
  program: string,
  folder: string,
  env: Readonly<Record<string, string>>,
): Promise<Idle> {
  await makeQuickstart(folder)
  const begin = performance.now()
  const daemon = spawn(program, ['daemon', '--config', join(folder, 'holdfast.yml')], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  })
  try {
    const started = await untilIdle(daemon, begin)
    const pid = daemon.pid ?? 0
    const before = secondsOf(pid)
    await sleep(CPU_SPAN)
    const cpu = ((secondsOf(pid) - before) * 1000) / CPU_SPAN
    return {
      resident: memoryOf(pid, 'VmRSS'),
      share: shareOf(pid),
      peak: memoryOf(pid, 'VmHWM'),
      started,
      cpu,
    }
  } finally {
    const ended = once(daemon, 'exit')
    daemon.kill('SIGTERM')
    await ended
  }
}

async function makeQuickstart(folder: string): Promise<void> {
  const letters = join(folder, 'attachments', 'letters')
  await mkdir(letters, { recursive: true })
  for (let page = 1; page <= 20; page++) {
    await writeFile(join(letters, `page-${page}.txt`), `Page ${page}.\n`.repeat(page * 50))
  }
  using notes = new DatabaseSync(join(folder, 'notes.db'))
  notes.exec('pragma journal_mode = wal; create table notes (id integer primary key, text text)')
  const insert = notes.prepare('insert into notes (text) values (?)')
  for (let id = 0; id < 1000; id++) insert.run(`a note of ${id}`)
  await writeFile(
    join(folder, 'holdfast.yml'),
    `data_dir: ./state
targets:
  shelf: { type: local, path: ./backups, default: true }
jobs:
  notes:
    schedule: "0 * * * *"
    first_run: now
    sources:
      - { type: sqlite, path: ./notes.db }
      - { type: directory, path: ./attachments, exclude: ["*.tmp"] }
    retention: { keep_last: 5, keep_hourly: 3, keep_daily: 7 }
`,
  )
}

/** Resolves when everything was done once and a rest after it is over; with when it had started. */
async function untilIdle(daemon: ChildProcess, begin: number): Promise<number> {
  const left = new Map<string, number>(Object.entries(DEEDS))
  let started = 0
  if (!daemon.stdout) throw new Error('the daemon has no output')
  for await (const line of createInterface({ input: daemon.stdout })) {
    const { event, msg } = JSON.parse(line)
    if (event === 'daemon.started') started = performance.now() - begin
    if (String(event).endsWith('.failed')) throw new Error(`the daemon says: ${msg}`)
    left.set(event, (left.get(event) ?? 0) - 1)
    if (Object.keys(DEEDS).every((deed) => (left.get(deed) ?? 0) <= 0)) break
  }
  await sleep(REST)
  return started
}

/** Processor seconds that a process has taken so far, itself alone. */
function secondsOf(pid: number): number {
  const [, rest = ''] = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')
  const [user = '0', system = '0'] = rest.split(' ').slice(11, 13)
  return (Number(user) + Number(system)) / TICKS
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1)
}

await main()
