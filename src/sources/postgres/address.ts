import type { Secret } from '../../lib/secret.ts'

/** What tells the client programs where the server is and who asks. */
export type ConnectionEnv = Readonly<Record<string, string | undefined>>

export interface Address {
  readonly env: ConnectionEnv
  /** For words: `db.example:5432`; holds no secret. */
  readonly label: string
}

/** What the environment may say of another server than the one that is meant. */
const WHERE = [
  'PGHOST',
  'PGHOSTADDR',
  'PGPORT',
  'PGDATABASE',
  'PGUSER',
  'PGPASSWORD',
  'PGSERVICE',
  'PGSERVICEFILE',
]

/** Parameters of an address that have a variable; others are for other programs, as Prisma's `schema`. */
const PARAMETERS: Readonly<Record<string, string>> = {
  host: 'PGHOST',
  hostaddr: 'PGHOSTADDR',
  port: 'PGPORT',
  dbname: 'PGDATABASE',
  user: 'PGUSER',
  password: 'PGPASSWORD',
  passfile: 'PGPASSFILE',
  service: 'PGSERVICE',
  options: 'PGOPTIONS',
  connect_timeout: 'PGCONNECT_TIMEOUT',
  target_session_attrs: 'PGTARGETSESSIONATTRS',
  channel_binding: 'PGCHANNELBINDING',
  sslmode: 'PGSSLMODE',
  sslnegotiation: 'PGSSLNEGOTIATION',
  sslcert: 'PGSSLCERT',
  sslkey: 'PGSSLKEY',
  sslrootcert: 'PGSSLROOTCERT',
  sslcrl: 'PGSSLCRL',
  gssencmode: 'PGGSSENCMODE',
  krbsrvname: 'PGKRBSRVNAME',
}

const URL_PARTS =
  /^postgres(?:ql)?(?:\+\w+)?:\/\/(?:(?<user>[^:@/?]*)(?::(?<password>[^@/?]*))?@)?(?<hosts>[^/?]*)(?:\/(?<database>[^?]*))?(?:\?(?<query>.*))?$/

/**
 * The environment that an address stands for; null when it is no address of a PostgreSQL server. Of no
 * address at all, the environment that we have is what libpq makes of it.
 */
export function parseAddress(
  url: Secret | null,
  surroundings: Readonly<Record<string, string | undefined>>,
): Address | null {
  if (url === null) return { env: {}, label: surroundings.PGHOST ?? 'the local server' }
  const parts = URL_PARTS.exec(url.reveal().trim())?.groups
  if (parts === undefined) return null
  try {
    return addressOf(parts)
  } catch {
    return null
  }
}

function addressOf(parts: Readonly<Record<string, string | undefined>>): Address {
  const hosts = (parts.hosts ?? '').split(',').map(hostAndPort)
  const env: Record<string, string | undefined> = Object.fromEntries(
    WHERE.map((name) => [name, undefined]),
  )
  const set = (name: string, value: string | undefined) => {
    if (value !== undefined && value !== '') env[name] = decodeURIComponent(value)
  }
  set('PGUSER', parts.user)
  set('PGPASSWORD', parts.password)
  set('PGHOST', hosts.map(([host]) => host).join(','))
  if (hosts.some(([, port]) => port !== '')) {
    set('PGPORT', hosts.map(([, port]) => port || '5432').join(','))
  }
  set('PGDATABASE', parts.database)
  for (const pair of (parts.query ?? '').split('&')) {
    const [name = '', value] = pair.split(/=(.*)/s)
    const variable = PARAMETERS[decodeURIComponent(name)]
    if (variable !== undefined) set(variable, value)
  }
  const label = hosts.map(([host, port]) => decodeURIComponent(host) + (port && `:${port}`)).join()
  return { env, label: label === '' ? (env.PGHOST ?? 'the local server') : label }
}

/** `[::1]:5432` and `db:5432` alike. */
function hostAndPort(text: string): readonly [host: string, port: string] {
  const found = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d*))?$/.exec(text)
  if (!found) throw new Error('no host')
  return [found[1] ?? found[2] ?? '', found[3] ?? '']
}
