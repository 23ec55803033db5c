import type { SourceFacts } from '../../core/manifest.ts'
import { ask, type Question, SqlFailed, tell } from './ask.ts'
import type { Server } from './server.ts'
import { literal } from './sql.ts'

/** What the server is. */
export interface ServerFacts {
  /** As `server_version_num`: 150018. */
  readonly version: number
  /** The database that this was asked in. */
  readonly database: string
  readonly user: string
  readonly isSuperuser: boolean
}

export async function serverFacts(
  server: Server,
  database: string | null,
  signal: AbortSignal,
): Promise<ServerFacts> {
  const sql = `select current_setting('server_version_num')::int as version,
    current_database() as database, current_user as user,
    (select rolsuper from pg_roles where rolname = current_user) as "isSuperuser"`
  const [facts] = await ask<ServerFacts>(server, { database, sql, signal })
  if (!facts) throw new SqlFailed(`${server.label}: no answer`, null, null)
  return facts
}

/** `15` of 150018, and `9.6` of 90624, which changed with its second number. */
export function majorOf(version: number): number {
  return Math.floor(version / 10_000)
}

/** A database as the catalog tells of it. */
export interface Database {
  readonly name: string
  readonly oid: number
  readonly owner: string
  readonly encoding: string
  readonly collate: string
  readonly ctype: string
  /** `c`, `i`, `b`. */
  readonly provider: string
  readonly locale: string | null
  readonly icuRules: string | null
  readonly tablespace: string
  readonly connectionLimit: number
  readonly comment: string | null
  readonly bytes: number
  readonly sessions: readonly { readonly name: string; readonly count: number }[]
}

/** Columns differ by version: a row as JSON has those that there are. */
const DATABASE = `select d.datname as name, d.oid::int8 as oid, pg_get_userbyid(d.datdba) as owner,
    pg_encoding_to_char(d.encoding) as encoding, d.datcollate as collate, d.datctype as ctype,
    coalesce(to_jsonb(d)->>'datlocprovider', 'c') as provider,
    coalesce(to_jsonb(d)->>'datlocale', to_jsonb(d)->>'daticulocale') as locale,
    to_jsonb(d)->>'daticurules' as "icuRules",
    t.spcname as tablespace, d.datconnlimit as "connectionLimit",
    shobj_description(d.oid, 'pg_database') as comment, pg_database_size(d.oid) as bytes,
    (select coalesce(json_agg(s), '[]') from (
      select coalesce(nullif(application_name, ''), usename::text, backend_type) as name,
        count(*)::int as count
      from pg_stat_activity where datid = d.oid and pid <> pg_backend_pid()
        and backend_type = 'client backend' group by 1 order by 2 desc, 1) s) as sessions
  from pg_database d join pg_tablespace t on t.oid = d.dattablespace`

/** The database of that name, or null when there is none. */
export async function findDatabase(
  server: Server,
  name: string,
  signal: AbortSignal,
): Promise<Database | null> {
  const sql = `${DATABASE} where d.datname = ${literal(name)}`
  const [found] = await askBeside<Database>(server, sql, signal)
  return found ?? null
}

/** Names of all databases that can be connected to and are no templates. */
export async function listDatabases(
  server: Server,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const sql = `select datname as name from pg_database
    where datallowconn and not datistemplate order by datname`
  const rows = await askBeside<{ readonly name: string }>(server, sql, signal)
  return rows.map(({ name }) => name)
}

export async function existsDatabase(
  server: Server,
  name: string,
  signal: AbortSignal,
): Promise<boolean> {
  const sql = `select 1 as one from pg_database where datname = ${literal(name)}`
  return (await askBeside(server, sql, signal)).length > 0
}

/** Asks of the server as a whole, from a database that is not likely to be the one it is about. */
export async function askBeside<Row>(
  server: Server,
  sql: string,
  signal: AbortSignal,
): Promise<readonly Row[]> {
  return await besides([], (database) => ask<Row>(server, { database, sql, signal }))
}

/** Statements about whole databases, told in none of those that they are about. */
export async function tellBeside(
  server: Server,
  { about, ...question }: Omit<Question, 'database'> & { readonly about: readonly string[] },
): Promise<string> {
  return await besides(about, async (database) => {
    if (database === null) {
      const facts = await serverFacts(server, null, question.signal)
      if (about.includes(facts.database)) {
        const hint = `let ${facts.user} connect to the database postgres or template1`
        throw new SqlFailed(`${server.label}: no other database to ask from`, null, hint)
      }
    }
    return await tell(server, { ...question, database })
  })
}

/** With the first database that can be connected to: not every server has `postgres`, nor lets everyone in. */
async function besides<T>(
  avoid: readonly string[],
  work: (database: string | null) => Promise<T>,
): Promise<T> {
  const usual = ['postgres', 'template1'].filter((name) => !avoid.includes(name))
  let refusal: unknown = null
  for (const database of [...usual, null]) {
    try {
      return await work(database)
    } catch (error) {
      refusal ??= error
      const isShut =
        error instanceof SqlFailed && error.state === null && NO_ENTRY.test(error.message)
      if (!isShut) throw refusal
    }
  }
  throw refusal
}

const NO_ENTRY = /database "[^"]*" does not exist|permission denied for database|pg_hba\.conf/

/** What a manifest says of a database. Its own settings are left out: some programs keep secrets there. */
export function factsOf(database: Database, { version }: ServerFacts): SourceFacts {
  return {
    serverVersion: version,
    database: database.name,
    owner: database.owner,
    encoding: database.encoding,
    collate: database.collate,
    ctype: database.ctype,
    provider: database.provider,
    locale: database.locale,
    icuRules: database.icuRules,
    databaseBytes: database.bytes,
  }
}
