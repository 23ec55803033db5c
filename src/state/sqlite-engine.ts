import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import { setImmediate, setTimeout } from 'node:timers/promises'
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  Kysely,
  SqliteAdapter,
  type SqliteDatabase,
  SqliteDriver,
  SqliteIntrospector,
  SqliteQueryCompiler,
  sql,
  type TransactionSettings,
} from 'kysely'
import { isBusy } from '../platform/sqlite-error.ts'
import type { Engine } from './engine.ts'
import type { Row } from './rows.ts'
import { refusalOf } from './sqlite-refusal.ts'
import type { Tables } from './tables.ts'

/** How long a transaction waits for those of other processes. Ours are short. */
export const BUSY_MILLIS = 5000
/** Between two tries to begin one that writes. */
const RETRY_MILLIS = 1
/** Rows read before other work of the process gets its turn: about 5 ms. */
const ROWS_AT_ONCE = 4000

/** Kysely over one open connection of node:sqlite. `path` is for the words of a refusal. */
export function sqliteEngine(sqlite: DatabaseSync, path: string): Engine {
  const db = new Kysely<Tables>({ dialect: dialect(sqlite) })
  return {
    db,
    clock: sql<number>`cast(unixepoch('subsec') * 1000 as integer)`,
    transaction: (access, work) => db.transaction().setAccessMode(access).execute(work),
    joinEach: ({ left, table, key, ids }) =>
      sql`${sql.raw(left)} cross join ${sql.raw(table)} on ${sql.ref(key)} in (${ids})`,
    // One writer at a time is all there is.
    alone: async () => {},
    async rows<T>(_within: unknown, query: CompiledQuery, read: (row: Row) => T) {
      const statement = sqlite.prepare(query.sql)
      statement.setReturnArrays(true)
      const rows: T[] = []
      for (const row of statement.iterate(...values(query.parameters))) {
        // node's types know the object form only. Read at once, so that the array is gone at once.
        rows.push(read(row as unknown as Row))
        if (rows.length % ROWS_AT_ONCE === 0) await setImmediate()
      }
      return rows
    },
    refusal: (doing, error) => refusalOf(path, doing, error),
    close: () => db.destroy(),
  }
}

function dialect(sqlite: DatabaseSync): Dialect {
  return {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () =>
      Object.assign(new SqliteDriver({ database: facade(sqlite) }), {
        beginTransaction: (_connection: DatabaseConnection, settings?: TransactionSettings) =>
          settings?.accessMode === 'read only' ? sqlite.exec('begin') : beginWriting(sqlite),
        // A full disk ends the transaction by itself; a second end would hide why.
        rollbackTransaction: () => (sqlite.isTransaction ? sqlite.exec('rollback') : undefined),
      }),
    createQueryCompiler: () => new SqliteQueryCompiler(),
    createIntrospector: (db) => new SqliteIntrospector(db),
  }
}

/**
 * A writer takes its lock at once: a read that turns into a write fails when another was quicker.
 * SQLite would wait for that lock with the whole process standing still, also for a transaction of
 * this very process that could then never end; so the waiting is done here.
 */
async function beginWriting(sqlite: DatabaseSync): Promise<void> {
  const patience = performance.now() + BUSY_MILLIS
  for (;;) {
    try {
      sqlite.exec('pragma busy_timeout = 0; begin immediate')
      return
    } catch (error) {
      if (!isBusy(error) || performance.now() > patience) throw error
    } finally {
      sqlite.exec(`pragma busy_timeout = ${BUSY_MILLIS}`)
    }
    await setTimeout(RETRY_MILLIS)
  }
}

/** node:sqlite as the better-sqlite3 that Kysely's dialect expects. */
function facade(sqlite: DatabaseSync): SqliteDatabase {
  return {
    close: () => sqlite.close(),
    prepare(sql) {
      const statement = sqlite.prepare(sql)
      return {
        reader: statement.columns().length > 0,
        all: (parameters) => statement.all(...values(parameters)),
        run: (parameters) => statement.run(...values(parameters)),
        iterate: (parameters) => statement.iterate(...values(parameters)),
      }
    },
  }
}

function values(parameters: readonly unknown[]): readonly SQLInputValue[] {
  return parameters as readonly SQLInputValue[]
}
