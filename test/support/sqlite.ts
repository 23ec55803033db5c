import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { DatabaseSync } from 'node:sqlite'

/** Rows of a database of ours: account `a` loses what account `b` gains, so each sum is zero. */
export function makeDatabase(path: string, journalMode: 'wal' | 'delete', rows = 200): void {
  using database = new DatabaseSync(path)
  database.exec(`pragma journal_mode=${journalMode}`)
  database.exec('create table pair (id integer primary key, a integer, b integer, filler blob)')
  database.exec('create index pair_a on pair (a)')
  database.exec('begin')
  const insert = database.prepare('insert into pair (a, b, filler) values (0, 0, randomblob(2000))')
  for (let row = 0; row < rows; row++) insert.run()
  database.exec('commit')
}

/** What the invariant of `makeDatabase` says of a file, and what SQLite does. */
export function examine(path: string): {
  readonly unpaired: number
  readonly moved: number
  readonly rows: number
  readonly integrity: string
} {
  using database = new DatabaseSync(path, { timeout: 60_000 })
  const one = (sql: string) => Object.values(database.prepare(sql).get() ?? {})[0]
  return {
    // Every transaction moves one amount through all rows: a torn copy has two amounts.
    unpaired: Number(one('select count(distinct a) - 1 + sum(a + b <> 0) from pair')),
    moved: Number(one('select max(a) from pair')),
    rows: Number(one('select count(*) from pair')),
    integrity: String(one('pragma integrity_check')),
  }
}

/** Runs JavaScript with a `database` at `path` in another process; resolves when it prints `ready`. */
export async function elsewhere(path: string, script: string): Promise<ChildProcess> {
  const code = `
    const { DatabaseSync } = require('node:sqlite')
    const database = new DatabaseSync(${JSON.stringify(path)}, { timeout: 60000 })
    ${script}`
  const child = spawn(process.execPath, ['-e', code], { stdio: ['pipe', 'pipe', 'inherit'] })
  const [first] = await once(child.stdout, 'data')
  if (!String(first).startsWith('ready')) throw new Error(`unexpected: ${first}`)
  return child
}

/** Commits a change of every row each few milliseconds, until it is ended. */
export const WRITER = `
  let amount = 0
  const move = database.prepare('update pair set a = ?, b = ?')
  setInterval(() => {
    amount++
    database.exec('begin immediate')
    move.run(amount, -amount)
    database.exec('commit')
    if (amount === 3) process.stdout.write('ready')
  }, 3)`

/** Has the database open and does nothing. */
export const HOLDER = `
  database.prepare('select count(*) from pair').get()
  process.stdout.write('ready')
  setInterval(() => {}, 1000)`

/** Ends a process of `elsewhere`. */
export async function end(child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill(signal)
  await ended
}

/** What `work` comes to; the process beside it is ended in any case. */
export async function whileIt<T>(work: Promise<T>, beside: ChildProcess): Promise<T> {
  try {
    return await work
  } finally {
    await end(beside)
  }
}
