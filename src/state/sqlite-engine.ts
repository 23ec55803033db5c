import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import { setImmediate } from 'node:timers/promises'
import {
  CompiledQuery,
  type Dialect,
  Kysely,
  SqliteAdapter,
  type SqliteDatabase,
  SqliteDriver,
  SqliteIntrospector,
  SqliteQueryCompiler,
  type TransactionSettings,
} from 'kysely'
import type { Engine } from './engine.ts'
import type { Row } from './rows.ts'
import { refusalOf } from './sqlite-refusal.ts'
import type { Tables } from './tables.ts'

/** Rows read before other work of the process gets its turn: about 5 ms. */
const ROWS_AT_ONCE = 4000

/** Kysely over one open connection of node:sqlite. `path` is for the words of a refusal. */
export function sqliteEngine(sqlite: DatabaseSync, path: string): Engine {
  return {
    db: new Kysely<Tables>({ dialect: dialect(sqlite) }),
    async rows(_within, query) {
      const statement = sqlite.prepare(query.sql)
      statement.setReturnArrays(true)
      const rows: Row[] = []
      for (const row of statement.iterate(...values(query.parameters))) {
        // node's types know the object form only.
        rows.push(row as unknown as Row)
        if (rows.length % ROWS_AT_ONCE === 0) await setImmediate()
      }
      return rows
    },
    refusal: (doing, error) => refusalOf(path, doing, error),
  }
}

function dialect(sqlite: DatabaseSync): Dialect {
  return {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () =>
      Object.assign(new SqliteDriver({ database: facade(sqlite) }), { beginTransaction }),
    createQueryCompiler: () => new SqliteQueryCompiler(),
    createIntrospector: (db) => new SqliteIntrospector(db),
  }
}

/** A writer takes its lock at once: a read that turns into a write fails when another was quicker. */
const beginTransaction: SqliteDriver['beginTransaction'] = async (connection, ...rest) => {
  const [settings] = rest as readonly [TransactionSettings?]
  const begin = settings?.accessMode === 'read only' ? 'begin' : 'begin immediate'
  await connection.executeQuery(CompiledQuery.raw(begin))
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
