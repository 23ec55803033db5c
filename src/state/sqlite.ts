import { chmodSync, closeSync, mkdirSync, openSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout } from 'node:timers/promises'
import { messageOf, StateRefused } from '../lib/errors.ts'
import { isBusy } from '../platform/sqlite-error.ts'
import { type Engine, writing } from './engine.ts'
import { kyselyStore } from './kysely-store.ts'
import {
  checkDistance,
  type Migration,
  migrate,
  programVersion,
  stateVersion,
} from './migration.ts'
import { MIGRATIONS } from './migrations.ts'
import { BUSY_MILLIS, sqliteEngine } from './sqlite-engine.ts'
import { adoptHint, refusalOf } from './sqlite-refusal.ts'
import type { Store } from './store.ts'

export interface SqliteStoreOptions {
  /** Absolute path of the file; it and its directory are made when missing, for this user alone. */
  readonly path: string
  /** The steps of the schema; a test gives its own. */
  readonly migrations?: readonly Migration[]
}

/** `HOLD` in ASCII, in the header of the file: tells our state from another program's database. */
const APPLICATION_ID = 0x484f4c44

/**
 * Opens the state in a SQLite file and brings its schema up to this program. Several processes may
 * have it open. Throws `StateRefused` for a file that is damaged, not to be written, another
 * program's, or of a schema too far apart; the file is then left as it is.
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<Store> {
  const { path, migrations = MIGRATIONS } = options
  try {
    makePrivate(path)
    const sqlite = new DatabaseSync(path, { timeout: BUSY_MILLIS })
    try {
      return await prepare(sqlite, path, migrations)
    } catch (error) {
      if (sqlite.isOpen) sqlite.close()
      throw error
    }
  } catch (error) {
    throw refusalOf(path, 'open the state', error)
  }
}

async function prepare(
  sqlite: DatabaseSync,
  path: string,
  migrations: readonly Migration[],
): Promise<Store> {
  const program = programVersion(migrations)
  const engine = sqliteEngine(sqlite, path)
  // Looked at before anything is changed: another program's file is not even put into WAL mode.
  if (owner(sqlite, path) === 'ours') checkDistance(await stateVersion(engine.db), program)
  await tune(sqlite)
  if (owner(sqlite, path) === 'new' || (await stateVersion(engine.db)) < program) {
    await moveOn(engine, sqlite, path, migrations)
  }
  return kyselyStore(engine, program)
}

/** Under the lock of a writer, where another process may have been quicker. */
async function moveOn(
  engine: Engine,
  sqlite: DatabaseSync,
  path: string,
  migrations: readonly Migration[],
): Promise<void> {
  await writing(engine, 'change the schema', async (tx) => {
    const isNew = owner(sqlite, path) === 'new'
    if (isNew) sqlite.exec(`pragma application_id = ${APPLICATION_ID}`)
    await migrate(tx, isNew ? 0 : await stateVersion(tx), migrations)
  })
}

function owner(sqlite: DatabaseSync, path: string): 'ours' | 'new' {
  const id = sqlite.prepare('pragma application_id').get()?.application_id
  const tables = sqlite.prepare('select count(*) as tables from sqlite_schema').get()?.tables
  if (id === APPLICATION_ID) return 'ours'
  if (id === 0 && tables === 0) return 'new'
  throw new StateRefused(`the state ${path} is a database of another program`, {
    at: path,
    hint: `declare another data_dir, or ${adoptHint(path)}`,
  })
}

/** Changing to WAL does not wait for others as a write does, so it is tried again here. */
async function tune(sqlite: DatabaseSync): Promise<void> {
  const patience = AbortSignal.timeout(BUSY_MILLIS)
  for (;;) {
    try {
      sqlite.exec('pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on')
      return
    } catch (error) {
      if (!isBusy(error) || patience.aborted) throw error
      await setTimeout(20)
    }
  }
}

/** The file is made before SQLite opens it, because SQLite would make it readable to all. */
function makePrivate(path: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    const stat = statSync(path, { throwIfNoEntry: false })
    // Never opened when it exists: closing a second descriptor would drop the locks of the first.
    if (!stat) makeFile(path)
    else if (stat.isFile() && (stat.mode & 0o077) !== 0) closeToOthers(path)
  } catch (error) {
    throw new StateRefused(`cannot open the state ${path}: ${codeOf(error) ?? messageOf(error)}`, {
      cause: error,
      at: path,
      hint: 'data_dir must be a directory that this user may write to',
    })
  }
}

function makeFile(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600))
  } catch (error) {
    // Another process made it in between.
    if (codeOf(error) !== 'EEXIST') throw error
  }
}

function closeToOthers(path: string): void {
  try {
    chmodSync(path, 0o600)
  } catch (error) {
    // Whoever owns it lets us in, and knows why.
    if (codeOf(error) !== 'EPERM' && codeOf(error) !== 'EROFS') throw error
  }
}

function codeOf(error: unknown): string | null {
  return error instanceof Error && 'code' in error ? String(error.code) : null
}
