import { Secret } from '../lib/secret.ts'

/** Where a Redis, or a Valkey, is found. */
export type RedisAddress = Login &
  (
    | { readonly kind: 'single'; readonly at: HostPort; readonly tls: boolean; readonly db: number }
    /** Any of its nodes; the others are learned from them. */
    | { readonly kind: 'cluster'; readonly nodes: readonly HostPort[]; readonly tls: boolean }
    /** Sentinels that know where the primary of that name is. The login holds for both. */
    | {
        readonly kind: 'sentinel'
        readonly sentinels: readonly HostPort[]
        readonly primary: string
      }
  )

export interface Login {
  readonly user: string | null
  readonly password: Secret | null
}

export interface HostPort {
  /** A name, or an IP address without brackets. */
  readonly host: string
  readonly port: number
}

/** Why a text is no address, in words that hold nothing of it. */
export interface BadAddress {
  readonly kind: 'bad'
  readonly why: string
}

const REDIS_PORT = 6379
const SENTINEL_PORT = 26_379

/**
 * Reads `redis://[user]:password@host:port/db`, `rediss://` for TLS, either with `?cluster=true` and
 * then with several hosts, and `sentinel://[user]:password@host1:26379,host2/primary`.
 *
 * No URL parser reads several hosts. User and password are percent-encoded where they hold any of
 * `/ ? # @ : %`.
 */
export function parseRedisAddress(text: string): RedisAddress | BadAddress {
  const [, scheme, rest = ''] = /^(redis|rediss|sentinel):\/\/(.*)$/s.exec(text) ?? []
  if (scheme === undefined) return bad('must begin with redis://, rediss:// or sentinel://')
  const parts = /^(?:([^@/?#]*)@)?([^@/?#]*)(?:\/([^@/?#]*))?(?:\?([^@/?#]*))?$/.exec(rest)
  if (!parts) return bad('the characters / ? # @ of a password must be written as %2F %3F %23 %40')
  const [, userinfo, hosts = '', path = '', query = ''] = parts
  const login = loginOf(userinfo)
  if ('why' in login) return login
  const isSentinel = scheme === 'sentinel'
  const at = hostsOf(hosts, isSentinel ? SENTINEL_PORT : REDIS_PORT)
  if ('why' in at) return at
  if (isSentinel) return sentinelOf(login, at.hosts, path, query)
  const cluster = query === '' ? 'cluster=false' : query
  if (cluster !== 'cluster=true' && cluster !== 'cluster=false')
    return bad('knows no other parameter than cluster=true')
  const place = { tls: scheme === 'rediss', path, hosts: at.hosts }
  return cluster === 'cluster=true' ? clusterOf(login, place) : singleOf(login, place)
}

interface Place {
  readonly tls: boolean
  readonly path: string
  readonly hosts: readonly HostPort[]
}

function singleOf(login: Login, { tls, path, hosts }: Place): RedisAddress | BadAddress {
  const [at, ...more] = hosts
  if (at === undefined || more.length > 0)
    return bad('several hosts need ?cluster=true, or are sentinels: sentinel://')
  if (!/^\d{0,5}$/.test(path)) return bad('its database must be a number: redis://host:6379/0')
  return { kind: 'single', ...login, at, tls, db: Number(path) }
}

function clusterOf(login: Login, { tls, path, hosts }: Place): RedisAddress | BadAddress {
  if (!/^0?$/.test(path)) return bad('a cluster has no other database than 0')
  return { kind: 'cluster', ...login, nodes: hosts, tls }
}

function sentinelOf(
  login: Login,
  sentinels: readonly HostPort[],
  primary: string,
  query: string,
): RedisAddress | BadAddress {
  if (query !== '') return bad('an address of sentinels takes no parameters')
  if (!/^[A-Za-z0-9._-]+$/.test(primary))
    return bad('must end with the name of the primary: sentinel://host1,host2,host3/mymaster')
  return { kind: 'sentinel', ...login, sentinels, primary }
}

function loginOf(userinfo: string | undefined): Login | BadAddress {
  if (userinfo === undefined) return { user: null, password: null }
  const colon = userinfo.indexOf(':')
  if (colon < 0) return bad('lacks the password: write user:password@host, or :password@host')
  try {
    const user = decodeURIComponent(userinfo.slice(0, colon))
    const password = decodeURIComponent(userinfo.slice(colon + 1))
    return {
      user: user === '' ? null : user,
      password: password === '' ? null : new Secret(password),
    }
  } catch {
    return bad('a % in its user or password must be written as %25')
  }
}

function hostsOf(text: string, usual: number): { readonly hosts: HostPort[] } | BadAddress {
  const hosts: HostPort[] = []
  for (const one of text.split(',')) {
    const [, bracketed, plain, digits] =
      /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?$/.exec(one) ?? []
    const host = bracketed ?? plain
    if (host === undefined) return bad('its host must be a name or an address, as in redis:6379')
    const port = digits === undefined ? usual : Number(digits)
    if (port < 1 || port > 65_535) return bad('its port must be one of 1 to 65535')
    hosts.push({ host, port })
  }
  return { hosts }
}

function bad(why: string): BadAddress {
  return { kind: 'bad', why }
}

/** Its hosts alone, as they are told to people: `cache-1:6379,cache-2:6379`. */
export function redisHosts(address: RedisAddress): string {
  const all =
    address.kind === 'single'
      ? [address.at]
      : address.kind === 'cluster'
        ? address.nodes
        : address.sentinels
  return all.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`).join(',')
}
