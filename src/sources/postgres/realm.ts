import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf, RestoreFailed } from '../../lib/errors.ts'
import { PathTaken } from '../../platform/files.ts'
import type { Move, Realm } from '../source.ts'
import { SqlFailed } from './ask.ts'
import { askBeside, existsDatabase, tellBeside } from './catalog.ts'
import { isPrevious } from './names.ts'
import type { Server } from './server.ts'
import { ident, literal } from './sql.ts'

/*
 * Databases of a server, renamed in one transaction: all of the moves, or none, whatever dies.
 *
 * A database is renamed only while nobody is connected to it. The rename locks it against new
 * sessions first and then waits up to five seconds for those that are there: so these are ended
 * once before, and again all the while, for one may have slipped in between.
 */

/** Our part of the advisory locks: a rename whose Holdfast was killed may still be under way. */
const OUR_LOCK = 0x484f4c46
const END_AGAIN_EVERY = 100
const TRIES = 4
const RENAME_LIMIT = 60_000

/** The moves of a restore as databases of `server`. */
export function databaseRealm(server: Server): Realm {
  const never = new AbortController().signal
  const exists = (name: string) => existsDatabase(server, name, never)
  return {
    exists,
    async rename(move) {
      if (await exists(move.to)) throw new PathTaken(move.to)
      await renameAll(server, [move], exists)
    },
    renameAll: (moves) => renameAll(server, moves, exists),
    // A commit is on the disk, whatever the role or the server is set to.
    settle: async () => {},
    makeRoom: async () => {},
    remove: (name) => dropDatabase(server, name, never),
    isPrevious,
  }
}

async function renameAll(
  server: Server,
  moves: readonly Move[],
  exists: Realm['exists'],
): Promise<void> {
  if (moves.length === 0) return
  const about = [...new Set(moves.flatMap(({ from, to }) => [from, to]))]
  for (let tries = 1; ; tries++) {
    try {
      return await renameOnce(server, moves, about)
    } catch (error) {
      // Another process may have made them while we waited for it.
      if (await areMade(moves, exists)) return
      if (isInUse(error) && tries < TRIES) continue
      throw isInUse(error) ? inUse(moves, error) : error
    }
  }
}

async function renameOnce(
  server: Server,
  moves: readonly Move[],
  about: readonly string[],
): Promise<void> {
  const never = new AbortController().signal
  const found = await askBeside<{ readonly oid: number }>(
    server,
    `select oid::int8 as oid from pg_database where datname in (${about.map(literal).join(', ')})`,
    never,
  )
  // By number: the names are about to change hands.
  const oids = found.map(({ oid }) => oid)
  const lines = [
    'begin;',
    'set local synchronous_commit = on;',
    `select pg_advisory_xact_lock(${OUR_LOCK});`,
    `${endSessions(oids)};`,
    ...moves.map(({ from, to }) => `alter database ${ident(from)} rename to ${ident(to)};`),
    'commit;',
  ]
  const over = new AbortController()
  const ending = endAgain(server, oids, over.signal)
  try {
    await tellBeside(server, {
      about,
      sql: lines.join('\n'),
      timeLimit: RENAME_LIMIT,
      signal: never,
    })
  } finally {
    over.abort()
    await ending
  }
}

async function endAgain(server: Server, oids: readonly number[], over: AbortSignal): Promise<void> {
  try {
    for (;;) {
      await sleep(END_AGAIN_EVERY, undefined, { signal: over })
      await askBeside(server, endSessions(oids), over)
    }
  } catch {
    // Told to stop; or nobody may be ended, which the rename itself will say.
  }
}

function endSessions(oids: readonly number[]): string {
  return `select pg_terminate_backend(pid) from pg_stat_activity
    where datid in (${oids.join(', ') || '0'}) and pid <> pg_backend_pid()
      and backend_type = 'client backend'`
}

function isInUse(error: unknown): boolean {
  return error instanceof SqlFailed && error.state === '55006'
}

function inUse(moves: readonly Move[], cause: unknown): RestoreFailed {
  return new RestoreFailed(`${moves[0]?.from} cannot be renamed: ${messageOf(cause)}`, {
    cause,
    hint: 'stop what holds it (also prepared transactions and walsenders), then restore again',
  })
}

/** Whether each name holds by now what it would after the moves. */
async function areMade(moves: readonly Move[], exists: Realm['exists']): Promise<boolean> {
  const expected = new Map<string, boolean>()
  for (const { from, to } of moves) {
    expected.set(from, false)
    expected.set(to, true)
  }
  for (const [name, isThere] of expected) if ((await exists(name)) !== isThere) return false
  return true
}

/** Removes a database with the sessions in it; what is not there succeeds. */
export async function dropDatabase(
  server: Server,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  const sql = `select pg_terminate_backend(pid) from pg_stat_activity
      where datname = ${literal(name)} and pid <> pg_backend_pid();
    drop database if exists ${ident(name)};`
  for (let tries = 1; ; tries++) {
    try {
      await tellBeside(server, { about: [name], sql, timeLimit: RENAME_LIMIT, signal })
      return
    } catch (error) {
      if (!isInUse(error) || tries === TRIES) throw error
    }
  }
}
