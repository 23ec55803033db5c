import { type Kysely, sql } from 'kysely'
import { Pool, types } from 'pg'
import type { Millis } from '../core/model.ts'
import { StateRefused } from '../lib/errors.ts'
import type { Secret } from '../lib/secret.ts'
import { type Engine, reading, writing } from './engine.ts'
import { kyselyStore } from './kysely-store.ts'
import {
  checkDistance,
  type Migration,
  migrate,
  programVersion,
  stateVersion,
} from './migration.ts'
import { MIGRATIONS } from './migrations.ts'
import { SCHEMA, type Waits } from './postgres-driver.ts'
import { postgresEngine } from './postgres-engine.ts'
import type { Store } from './store.ts'
import type { Tables } from './tables.ts'

export interface PostgresStoreOptions {
  readonly url: Secret
  /** Past a pooler: changes of the schema go this way. Null: they go as all else does. */
  readonly direct: Secret | null
  /** The steps of the schema; a test gives its own. */
  readonly migrations?: readonly Migration[]
  /** Told of faults of the way to the database that no call failed by. */
  readonly onTrouble?: (error: unknown) => void
  /** A test waits less. */
  readonly waits?: Partial<Waits>
  /** How long a call goes on while the database cannot be reached. */
  readonly patience?: Millis
}

const WAITS: Waits = {
  connect: 5_000 as Millis,
  write: 10_000 as Millis,
  read: 30_000 as Millis,
  lock: 5_000 as Millis,
  idle: 10_000 as Millis,
}
/** A change of the schema waits for whoever reads, and may rewrite a long table. */
const PATIENT: Partial<Waits> = {
  write: 600_000 as Millis,
  lock: 60_000 as Millis,
  idle: 60_000 as Millis,
}
/** PgBouncer keeps telling for 15 s that a server is away once it found it so. */
const PATIENCE = 20_000 as Millis
/** Somebody waits at a terminal, or a supervisor tries again by itself. */
const AT_OPENING = 5_000 as Millis
/** A pass asks one thing after the other; heartbeat and messages come beside it. */
const CONNECTIONS = 4
const OF_INT8 = types.builtins.INT8

/**
 * Opens the state in a PostgreSQL database, in a schema of its own, and brings that up to this program.
 * Any number of instances may have it open, through PgBouncer in transaction pooling, too. Throws
 * `StateRefused` for a database that cannot be reached, does not let us in, holds another program's
 * schema of that name, or ours too far apart; it is then left as it is.
 */
export async function openPostgresStore(options: PostgresStoreOptions): Promise<Store> {
  const { url, direct, migrations = MIGRATIONS } = options
  const { patience = PATIENCE } = options
  let now = Math.min(AT_OPENING, patience) as Millis
  const engine = connect(url, options, () => now)
  const program = programVersion(migrations)
  try {
    const found = await reading(engine, 'open the state', look)
    if (found !== null) checkDistance(found, program)
    if (found === null || found < program) {
      await moveOn(direct ?? url, options, migrations)
    }
    now = patience
    return kyselyStore(engine, program)
  } catch (error) {
    await engine.close()
    throw error
  }
}

function connect(
  url: Secret,
  options: PostgresStoreOptions,
  patience: () => Millis,
  more: Partial<Waits> = {},
): Engine {
  const { onTrouble = () => {} } = options
  const waits = { ...WAITS, ...options.waits, ...more }
  const pool = new Pool({
    connectionString: url.reveal(),
    fallback_application_name: 'holdfast',
    max: CONNECTIONS,
    connectionTimeoutMillis: waits.connect,
    idleTimeoutMillis: 60_000,
    keepAlive: true,
    types: {
      // Instants and sizes stay below 2^53.
      getTypeParser: (oid: number, format?: 'text' | 'binary') =>
        oid === OF_INT8 ? Number : types.getTypeParser(oid, format as 'text'),
    } as typeof types,
  })
  // An idle connection that the server ended: the pool has dropped it already.
  pool.on('error', onTrouble)
  return postgresEngine(pool, { place: placeOf(url), waits, patience, onTrouble })
}

/** Host, port and database of an address, without what is secret. Throws `StateRefused` for none. */
function placeOf(url: Secret): string {
  try {
    const { hostname, port, pathname, searchParams } = new URL(url.reveal())
    const host = searchParams.get('host') ?? decodeURIComponent(hostname)
    return `${host || 'localhost'}:${port || '5432'}${decodeURI(pathname)}`
  } catch {
    // The error would tell the address with its password.
    throw new StateRefused('the address of the state cannot be read', {
      hint: 'write postgres://user:password@host:5432/database, with %XX for signs that addresses keep for themselves',
    })
  }
}

/** Under a lock that other programs of ours wait for: one of them may have been quicker. */
async function moveOn(
  url: Secret,
  options: PostgresStoreOptions,
  migrations: readonly Migration[],
): Promise<void> {
  const engine = connect(url, options, () => AT_OPENING, PATIENT)
  try {
    await writing(engine, 'change the schema', async (tx) => {
      await engine.alone(tx, 'schema')
      const found = await look(tx)
      if (found === null) await makeSchema(tx)
      await migrate(tx, found ?? 0, migrations)
    })
  } finally {
    await engine.close()
  }
}

/** An existing one was made for us by somebody who keeps us from making schemas. */
async function makeSchema(db: Kysely<Tables>): Promise<void> {
  const { rows } = await sql`select 1 from pg_namespace where nspname = ${SCHEMA}`.execute(db)
  if (rows.length === 0) await sql`create schema ${sql.id(SCHEMA)}`.execute(db)
}

/** The schema version that the state stands at, or null where there is none yet. */
async function look(db: Kysely<Tables>): Promise<number | null> {
  const { rows } = await sql<{ relname: string }>`
    select c.relname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
    where n.nspname = ${SCHEMA} and c.relkind in ('r', 'p', 'v', 'm', 'f')`.execute(db)
  const tables = new Set(rows.map(({ relname }) => relname))
  if (tables.size === 0) return null
  if (['schema', 'runs', 'backups', 'fences'].every((name) => tables.has(name))) {
    return await stateVersion(db)
  }
  throw new StateRefused(`the schema "${SCHEMA}" of this database is another program's`, {
    hint: 'name another database in state: createdb holdfast',
  })
}
