/*
 * What a daemon holds while it has nothing to do: `node bench/idle.ts`. It runs a config like that
 * of the quickstart, on the hour, until its first backups are made and verified, and is then left
 * alone: at the first start ever of an installation, with nothing compiled yet, and at the next.
 * Ends with 1 when either holds more than 80 MB.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { memoryOf, shareOf } from './measure.ts'

/** Resident bytes that an idle daemon may hold. */
const BUDGET = 80e6
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
    const program = await install(join(folder, 'holdfast'))
    console.log(
      'idle daemon    resident MB   shared pages halved MB   peak MB   daemon.started after s',
    )
    for (const [index, name] of ['first start', 'next start'].entries()) {
      const idle = await run(program, join(folder, `run-${index}`))
      const { resident, share, peak, started } = idle
      const cells = [megabytes(resident), megabytes(share), megabytes(peak)]
      console.log(
        [
          name.padEnd(12),
          cells[0]?.padStart(13),
          cells[1]?.padStart(24),
          cells[2]?.padStart(9),
          (started / 1000).toFixed(2).padStart(24),
        ].join(' '),
      )
      if (resident > BUDGET) process.exitCode = 1
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
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

async function run(program: string, folder: string): Promise<Idle> {
  await makeQuickstart(folder)
  const begin = performance.now()
  const daemon = spawn(program, ['daemon', '--config', join(folder, 'holdfast.yml')], {
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

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1)
}

await main()
