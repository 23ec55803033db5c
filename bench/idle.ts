/*
 * What a daemon holds while it has nothing to do: `node bench/idle.ts`. It runs a config like that
 * of the quickstart, on the hour, until its first backups are made and verified, and is then left
 * alone: once with an empty cache of compiled code, as at the first start ever, and once with a warm
 * one. Ends with 1 when the warm one holds more than 80 MB.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { HOLDFAST } from './contenders.ts'
import { memoryOf, shareOf } from './measure.ts'

/** Resident bytes that an idle daemon may hold. */
const BUDGET = 80 * 2 ** 20
/** From its last word to the measurement, in milliseconds. */
const REST = 10_000
/** A database and a directory, each backed up and verified. */
const DEEDS = { 'backup.done': 2, 'verify.done': 2 } as const

interface Idle {
  readonly resident: number
  readonly share: number
  readonly peak: number
  readonly started: number
}

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-idle-'))
  try {
    const cache = join(folder, 'compile-cache')
    console.log('idle daemon        resident MiB   without shared   peak MiB   daemon.started after s')
    const rows = []
    for (const [index, name] of ['empty code cache', 'warm code cache'].entries()) {
      const idle = await run(join(folder, `run-${index}`), cache)
      rows.push(idle)
      const cells = [idle.resident, idle.share, idle.peak].map(mebibytes)
      const started = (idle.started / 1000).toFixed(2)
      console.log(
        `${name.padEnd(18)} ${cells[0]?.padStart(12)} ${cells[1]?.padStart(16)} ${cells[2]?.padStart(10)} ${started.padStart(24)}`,
      )
    }
    process.exitCode = (rows.at(-1)?.resident ?? Number.POSITIVE_INFINITY) <= BUDGET ? 0 : 1
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function run(folder: string, cache: string): Promise<Idle> {
  await makeQuickstart(folder)
  const begin = performance.now()
  const daemon = spawn(HOLDFAST, ['daemon', '--config', join(folder, 'holdfast.yml')], {
    env: { ...process.env, NODE_COMPILE_CACHE: cache },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    const started = await untilIdle(daemon, begin)
    const pid = daemon.pid ?? 0
    return {
      resident: memoryOf(pid, 'VmRSS'),
      share: shareOf(pid),
      peak: memoryOf(pid, 'VmHWM'),
      started,
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

function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(0)
}

await main()
