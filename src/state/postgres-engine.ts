import { setTimeout } from 'node:timers/promises'
import {
  type CompiledQuery,
  type Dialect,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  sql,
  type Transaction,
} from 'kysely'
import type { Pool } from 'pg'
import type { Millis } from '../core/model.ts'
import type { Engine } from './engine.ts'
import { postgresDriver, type Seat, type Waits } from './postgres-driver.ts'
import { LinkLost, pauseAfter } from './postgres-fault.ts'
import { refusalOf } from './postgres-refusal.ts'
import type { Row } from './rows.ts'
import type { Tables } from './tables.ts'

export interface PostgresEngineOptions {
  /** For the words of a refusal: host, port and database. */
  readonly place: string
  readonly waits: Waits
  /** How long transactions are begun again and again once the database cannot be reached. */
  readonly patience: () => Millis
  /** Told what another try got over. */
  readonly onTrouble: (error: unknown) => void
}

/** `HOLD` in ASCII: our part of the advisory locks, which all programs on a database share. */
export const OUR_LOCKS = 0x484f4c44

/** Kysely over a pool of connections to PostgreSQL, or to PgBouncer in front of it. */
export function postgresEngine(pool: Pool, options: PostgresEngineOptions): Engine {
  const { place, waits } = options
  let isOpen = true
  const persist = persistence(options, () => isOpen)
  const db = new Kysely<Tables>({ dialect: dialect(pool, waits) })
  return {
    db,
    clock: sql<number>`cast(floor(extract(epoch from clock_timestamp()) * 1000) as bigint)`,
    transaction: (access, work) =>
      persist(() => db.transaction().setAccessMode(access).execute(work)),
    // Without LATERAL it would look at each row of the table for each one on the left.
    joinEach: ({ left, table, key, ids }) =>
      sql`${sql.raw(left)} cross join lateral (${ids}) as picked (id)
        join ${sql.raw(table)} on ${sql.ref(key)} = picked.id`,
    rows: (within, query, read) => rows(within, query, read),
    async alone(within, name) {
      await sql`select pg_advisory_xact_lock(${sql.lit(OUR_LOCKS)}, hashtext(${name}))`.execute(
        within,
      )
    },
    refusal: (doing, error) => refusalOf(place, doing, error),
    async close() {
      isOpen = false
      await db.destroy()
    },
  }
}

function dialect(pool: Pool, waits: Waits): Dialect {
  return {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => postgresDriver(pool, waits),
    createQueryCompiler: () => new PostgresQueryCompiler(),
    createIntrospector: (db) => new PostgresIntrospector(db),
  }
}

/**
 * Begins a transaction anew as long as it is certain that it did nothing, and another try may have
 * luck. Patience is one for all calls: while the database stays away, those that come later fail at
 * their first try.
 */
function persistence({ patience, onTrouble }: PostgresEngineOptions, isOpen: () => boolean) {
  let awaySince: number | null = null
  return async <T>(attempt: () => Promise<T>): Promise<T> => {
    const began = performance.now()
    for (let tries = 1; ; tries++) {
      try {
        const value = await attempt()
        awaySince = null
        return value
      } catch (error) {
        const now = performance.now()
        if (error instanceof LinkLost) awaySince ??= now
        const since = error instanceof LinkLost ? (awaySince ?? now) : began
        const pause = pauseAfter(error, tries)
        if (pause === null || !isOpen() || now + pause > since + patience()) throw error
        onTrouble(error)
        await setTimeout(pause)
      }
    }
  }
}

async function rows<T>(
  within: Transaction<Tables>,
  query: CompiledQuery,
  read: (row: Row) => T,
): Promise<readonly T[]> {
  const found: T[] = []
  await within
    .getExecutor()
    .provideConnection((connection) =>
      (connection as Seat).eachRow(query, (row) => found.push(read(row))),
    )
  return found
}
