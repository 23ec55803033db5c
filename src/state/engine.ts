import type { CompiledQuery, Kysely, RawBuilder, Transaction } from 'kysely'
import type { Row } from './rows.ts'
import type { Tables } from './tables.ts'

/** The database under a store, and the little that differs between SQLite and PostgreSQL. */
export interface Engine {
  readonly db: Kysely<Tables>
  /** Milliseconds since 1970 by the database's own clock, at the moment of the statement. */
  readonly clock: RawBuilder<number>
  /**
   * Joins to each row of `left` those rows of `table` whose `key` the select `ids` finds, which looks
   * at the row of `left`. Along the index, however long the table is.
   */
  joinEach(join: JoinEach): RawBuilder<unknown>
  /**
   * What `read` makes of each row of a select, which it gets as an array in the order of the columns:
   * half the cost of objects on a long history. Within the transaction given; lets other work of this
   * process run in between.
   */
  rows<T>(
    within: Transaction<Tables>,
    query: CompiledQuery,
    read: (row: Row) => T,
  ): Promise<readonly T[]>
  /** Runs `work` in one transaction; a second time only when it is certain that it did nothing. */
  transaction<T>(access: Access, work: (tx: Transaction<Tables>) => Promise<T>): Promise<T>
  /** Until this transaction ends, others that ask for the same name wait here. */
  alone(within: Transaction<Tables>, name: string): Promise<void>
  /** What a thrown thing means: `StateRefused` when the database itself gave it, else itself. */
  refusal(doing: string, error: unknown): unknown
  close(): Promise<void>
}

export interface JoinEach {
  readonly left: string
  readonly table: string
  readonly key: string
  readonly ids: RawBuilder<unknown>
}

/** One that reads sees one moment of the state and hinders no writer. */
export type Access = 'read write' | 'read only'

/** Runs `work` in one transaction that writes, durable once it resolves. */
export async function writing<T>(
  engine: Engine,
  doing: string,
  work: (tx: Transaction<Tables>) => Promise<T>,
): Promise<T> {
  return transaction(engine, doing, 'read write', work)
}

/** Runs `work` in one transaction that sees one moment of the state and hinders no writer. */
export async function reading<T>(
  engine: Engine,
  doing: string,
  work: (tx: Transaction<Tables>) => Promise<T>,
): Promise<T> {
  return transaction(engine, doing, 'read only', work)
}

async function transaction<T>(
  engine: Engine,
  doing: string,
  access: Access,
  work: (tx: Transaction<Tables>) => Promise<T>,
): Promise<T> {
  try {
    return await engine.transaction(access, work)
  } catch (error) {
    throw engine.refusal(doing, error)
  }
}
