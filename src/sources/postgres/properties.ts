import type { SourceFacts } from '../../core/manifest.ts'
import { ask } from './ask.ts'
import { type Database, tellBeside } from './catalog.ts'
import type { Server } from './server.ts'
import { ident, literal } from './sql.ts'

/** What of a database must be known when it is made, and cannot be changed later. */
export type Shape = Pick<
  Database,
  'owner' | 'encoding' | 'collate' | 'ctype' | 'provider' | 'locale' | 'icuRules'
> & { readonly tablespace: string | null }

/** As the manifest tells it; null for one that tells nothing. */
export function shapeOf(facts: SourceFacts): Shape | null {
  const { owner, encoding, collate, ctype, provider, locale, icuRules } = facts
  const isText = (value: unknown) => typeof value === 'string'
  if (!isText(owner) || !isText(encoding) || !isText(collate) || !isText(ctype)) return null
  return {
    owner,
    encoding,
    collate,
    ctype,
    provider: isText(provider) ? provider : 'c',
    locale: isText(locale) ? locale : null,
    icuRules: isText(icuRules) ? icuRules : null,
    // Of the server it came from; this one may have no such place.
    tablespace: null,
  }
}

/** Makes an empty database of that shape; with none, as the server makes them. */
export async function createDatabase(
  server: Server,
  name: string,
  shape: Shape | null,
  signal: AbortSignal,
): Promise<void> {
  const words = shape === null ? [] : wordsOf(shape)
  const sql = `create database ${ident(name)} template template0 ${words.join(' ')};`
  await tellBeside(server, { about: [name], sql, timeLimit: CREATE_LIMIT, signal })
}

/** A checkpoint of a busy server is waited for. */
const CREATE_LIMIT = 600_000

function wordsOf(shape: Shape): readonly string[] {
  const { owner, encoding, collate, ctype, provider, locale, icuRules, tablespace } = shape
  return [
    `owner ${ident(owner)}`,
    `encoding ${literal(encoding)}`,
    `lc_collate ${literal(collate)}`,
    `lc_ctype ${literal(ctype)}`,
    ...(tablespace === null ? [] : [`tablespace ${ident(tablespace)}`]),
    ...(provider === 'i' && locale !== null
      ? [`locale_provider icu icu_locale ${literal(locale)}`]
      : []),
    ...(provider === 'i' && icuRules !== null ? [`icu_rules ${literal(icuRules)}`] : []),
    ...(provider === 'b' && locale !== null
      ? [`locale_provider builtin builtin_locale ${literal(locale)}`]
      : []),
  ]
}

interface Setting {
  /** Null: for everyone. */
  readonly role: string | null
  readonly config: readonly string[]
}

interface Grant {
  /** Null: for everyone. */
  readonly role: string | null
  readonly privilege: string
  readonly grantable: boolean
}

/**
 * Gives a database what another one has beside its contents: settings, rights, comment and the limit
 * of connections. All of it or, when it throws, none. Resolves to whether there was anything of it.
 */
export async function copyProperties(
  server: Server,
  from: Database,
  to: string,
  signal: AbortSignal,
): Promise<boolean> {
  const database = from.name
  const settings = await ask<Setting>(server, {
    database,
    sql: `select case when setrole = 0 then null else pg_get_userbyid(setrole) end as role,
      to_json(setconfig) as config from pg_db_role_setting where setdatabase = ${from.oid}`,
    signal,
  })
  const grants = await ask<Grant>(server, {
    database,
    sql: `select case when a.grantee = 0 then null else pg_get_userbyid(a.grantee) end as role,
      a.privilege_type as privilege, a.is_grantable as grantable
      from pg_database d, aclexplode(d.datacl) a where d.oid = ${from.oid}`,
    signal,
  })
  const lines = [
    'begin;',
    `alter database ${ident(to)} connection limit ${from.connectionLimit};`,
    ...(from.comment === null
      ? []
      : [`comment on database ${ident(to)} is ${literal(from.comment)};`]),
    ...grantLines(grants, from, to),
    ...settings.flatMap((setting) => settingLines(setting, to)),
    'commit;',
  ]
  await tellBeside(server, { about: [to], sql: lines.join('\n'), signal })
  const isBare = from.comment === null && from.connectionLimit === UNLIMITED
  return settings.length + grants.length > 0 || !isBare
}

/** As the server says of a database that takes any number of connections. */
const UNLIMITED = -1

/** None means the usual rights, which the new one has already. */
function grantLines(grants: readonly Grant[], { owner }: Database, to: string): readonly string[] {
  if (grants.length === 0) return []
  return [
    `revoke all on database ${ident(to)} from public, ${ident(owner)};`,
    ...grants.map(({ role, privilege, grantable }) => {
      const whom = role === null ? 'public' : ident(role)
      const onward = grantable && role !== null ? ' with grant option' : ''
      return `grant ${privilege} on database ${ident(to)} to ${whom}${onward};`
    }),
  ]
}

/** Settings whose value is a list of names: each is written for itself, or all would become one name. */
const LISTS = new Set([
  'local_preload_libraries',
  'search_path',
  'session_preload_libraries',
  'shared_preload_libraries',
  'temp_tablespaces',
  'unix_socket_directories',
])

function settingLines({ role, config }: Setting, to: string): readonly string[] {
  const whose =
    role === null
      ? `alter database ${ident(to)}`
      : `alter role ${ident(role)} in database ${ident(to)}`
  return config.map((pair) => {
    const [name = '', value = ''] = pair.split(/=(.*)/s)
    const key = name.split('.').map(ident).join('.')
    return `${whose} set ${key} to ${LISTS.has(name.toLowerCase()) ? listOf(value) : literal(value)};`
  })
}

/** `"$user", public` as `'$user', 'public'`. */
function listOf(value: string): string {
  const names = value.match(/"(?:[^"]|"")*"|[^,\s][^,]*/g) ?? []
  const texts = names.map((name) =>
    name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name.trim(),
  )
  return texts.length === 0 ? "''" : texts.map(literal).join(', ')
}
