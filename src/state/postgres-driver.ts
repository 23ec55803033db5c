import type { CompiledQuery, DatabaseConnection, Driver, TransactionSettings } from 'kysely'
import { type Pool, type PoolClient, Query, type QueryConfig, type QueryResult } from 'pg'
import type { Millis } from '../core/model.ts'
import { CommitUnknown, isOfTheWay, LinkLost } from './postgres-fault.ts'
import type { Row } from './rows.ts'

/** The schema of the database that holds our tables, apart from those of other programs. */
export const SCHEMA = 'holdfast'

/** How long one transaction waits, and for what. */
export interface Waits {
  /** For a connection: a new one, or one that others of this process give back. */
  readonly connect: Millis
  /** For one statement that writes. */
  readonly write: Millis
  /** For one statement that reads. */
  readonly read: Millis
  /** For what another transaction has locked. */
  readonly lock: Millis
  /** The server for our next statement, until it takes the transaction back. */
  readonly idle: Millis
}

/** One connection while a transaction has it. */
export interface Seat extends DatabaseConnection {
  /** Hands over each row as an array, as it comes. */
  eachRow(query: CompiledQuery, take: (row: Row) => void): Promise<void>
}

interface Held extends Seat {
  ask(query: QueryConfig, limit: Millis): Promise<QueryResult>
  isBroken(): boolean
  leave(): void
}

/** Beyond the server's own limit: by then the way to it is at fault. */
const GRACE = 2000

/**
 * Kysely over a pool of pg. Settings are those of a transaction, never of a session, and no statement
 * is prepared by name: behind PgBouncer each transaction may run on another session. A connection on
 * which anything but an answer came is not used again.
 */
export function postgresDriver(pool: Pool, waits: Waits): Driver {
  const of = (connection: DatabaseConnection) => connection as Held
  const fresh = freshness()
  return {
    init: async () => {},
    acquireConnection: async () => held(await fresh.connect(pool), waits, fresh.lost),
    beginTransaction: async (connection, settings) => {
      await of(connection).ask({ text: beginning(settings, waits) }, waits.read)
    },
    commitTransaction: (connection) => commit(of(connection), waits),
    async rollbackTransaction(connection) {
      if (of(connection).isBroken()) return
      // What failed before is what must be told; the connection is given up in this case.
      await of(connection)
        .ask({ text: 'rollback' }, waits.read)
        .catch(() => {})
    },
    releaseConnection: async (connection) => of(connection).leave(),
    destroy: () => pool.end(),
  }
}

function beginning({ accessMode }: TransactionSettings, waits: Waits): string {
  const isReading = accessMode === 'read only'
  const local = (name: string, value: string | number) => `set local ${name} = ${value}`
  return [
    // Not `read write`: whoever set the database to read only meant it.
    isReading
      ? 'begin isolation level repeatable read read only'
      : 'begin isolation level read committed',
    local('search_path', SCHEMA),
    local('statement_timeout', isReading ? waits.read : waits.write),
    local('lock_timeout', waits.lock),
    local('idle_in_transaction_session_timeout', waits.idle),
    // A role or a server may be set to answer before anything is on the disk.
    `select set_config('synchronous_commit', 'on', true) where current_setting('synchronous_commit') = 'off'`,
  ].join('; ')
}

async function commit(connection: Held, waits: Waits): Promise<void> {
  let answer: QueryResult
  try {
    answer = await connection.ask({ text: 'commit' }, waits.write)
  } catch (error) {
    throw error instanceof LinkLost ? new CommitUnknown(error) : error
  }
  if (answer.command !== 'COMMIT') throw new Error('the database took the transaction back')
}

/**
 * Gives connections of the pool, none older than the last question that got no answer: after a
 * failover all of them lead nowhere, and finding that out one by one would take as many waits.
 */
function freshness() {
  const born = new WeakMap<PoolClient, number>()
  let lost = Number.NEGATIVE_INFINITY
  return {
    lost: (askedAt: number) => {
      lost = Math.max(lost, askedAt)
    },
    async connect(pool: Pool): Promise<PoolClient> {
      for (;;) {
        const client = await pool.connect().catch((cause: unknown) => {
          throw isOfTheWay(cause) ? new LinkLost(cause) : cause
        })
        const at = born.get(client)
        if (at === undefined) born.set(client, performance.now())
        else if (at <= lost) {
          client.release(true)
          continue
        }
        return client
      }
    },
  }
}

function held(client: PoolClient, waits: Waits, lost: (askedAt: number) => void): Held {
  let isBroken = false
  async function within<T>(limit: Millis, work: Promise<T>): Promise<T> {
    const askedAt = performance.now()
    try {
      return await limited(limit + GRACE, work)
    } catch (error) {
      if (!isOfTheWay(error)) throw error
      isBroken = true
      lost(askedAt)
      throw error instanceof LinkLost ? error : new LinkLost(error)
    }
  }
  const ask = (query: QueryConfig, limit: Millis) => within(limit, client.query(query))
  // Without a listener an error of a connection in use would end the process; the query tells it, too.
  const ignore = () => {}
  client.on('error', ignore)
  return {
    ask,
    isBroken: () => isBroken,
    async executeQuery<R>({ sql, parameters }: CompiledQuery) {
      const limit = Math.max(waits.read, waits.write)
      const { rows, rowCount } = await ask({ text: sql, values: [...parameters] }, limit as Millis)
      return { rows: rows as R[], numAffectedRows: BigInt(rowCount ?? 0) }
    },
    eachRow: (query, take) => within(waits.read, eachRow(client, query, take)),
    // biome-ignore lint/correctness/useYield: a part of the interface that nothing here asks for.
    async *streamQuery() {
      throw new Error('rows are read with eachRow')
    },
    leave() {
      client.off('error', ignore)
      client.release(isBroken)
    },
  }
}

function eachRow(
  client: PoolClient,
  { sql, parameters }: CompiledQuery,
  take: (row: Row) => void,
): Promise<void> {
  const config = { text: sql, values: [...parameters], rowMode: 'array' as const }
  return new Promise((resolve, reject) => {
    const query = new Query<Row[]>(config)
    // Thrown out of a listener, what `take` throws would end the process.
    let failed: { readonly error: unknown } | null = null
    query.on('row', (row) => {
      try {
        if (!failed) take(row as unknown as Row)
      } catch (error) {
        failed = { error }
      }
    })
    query.on('end', () => (failed ? reject(failed.error) : resolve()))
    query.on('error', reject)
    client.query(query)
  })
}

/** Rejects with `LinkLost` when there is no answer in time. */
async function limited<T>(limit: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const after = `no answer within ${Math.ceil(limit / 1000)} s`
    timer = setTimeout(() => reject(new LinkLost(new Error(after))), limit)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
