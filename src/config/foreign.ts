import { suggest } from '../lib/suggest.ts'
import { readSchema, schemaOf } from './schema.ts'
import type { MapTree, Tree } from './tree.ts'
import { withoutKeys } from './tree.ts'

/** What Vardo keeps in its secrets file beside what is ours. */
const VARDO_SECRETS = ['encryptionKey', 'authSecret', 'acmeEmail', 'zerossl', 'dns']

/** Sections of a Rauthy file, as of 0.35. */
const RAUTHY = [
  'access',
  'atproto',
  'auth_headers',
  'backchannel_logout',
  'bootstrap',
  'cred_stuff_detection',
  'database',
  'dev',
  'device_grant',
  'dpop',
  'dynamic_clients',
  'ephemeral_clients',
  'events',
  'fedcm',
  'geolocation',
  'hashing',
  'http_client',
  'i18n',
  'lifetimes',
  'logging',
  'matrix',
  'mfa',
  'pam',
  'pow',
  'scim',
  'server',
  'suspicious_requests',
  'templates',
  'tls',
  'tos',
  'user_delete',
  'user_pictures',
  'user_registration',
  'user_values',
  'vault',
  'webauthn',
]

/** Vardo's secrets file without what is none of ours. */
export function withoutVardoSecrets(secrets: MapTree): MapTree {
  return withoutKeys(secrets, (key) => VARDO_SECRETS.includes(key))
}

/**
 * A file that holds Hiqlite's table belongs to another program, Rauthy or one more that embeds
 * Hiqlite: its other sections are set aside. A section that looks like a misspelling of ours stays.
 */
export function withoutHostSections(config: MapTree, notice: (text: string) => void): MapTree {
  const isHosted = config.entries.has('cluster') || config.entries.has('hiqlite')
  if (!isHosted) return config
  const own = withoutPostgresCluster(config, notice)
  const unknown = [...own.entries.keys()].filter((key) => isHostSection(key, own))
  const others = unknown.filter((key) => !RAUTHY.includes(key) && key !== 'encryption')
  if (others.length > 0) notice(`left alone, as another program's: ${others.join(', ')}`)
  return withoutKeys(own, (key) => unknown.includes(key))
}

function isHostSection(key: string, config: MapTree): boolean {
  if (RAUTHY.includes(key)) return true
  const value = config.entries.get(key)?.value
  // Rauthy's own [encryption] holds keys of another make.
  if (key === 'encryption') return has(value, 'keys') || has(value, 'key_active')
  const schema = readSchema()
  if (schemaOf(schema, key) !== null) return false
  return suggest(key, Object.keys(schema.properties ?? {})) === null
}

/** With `[database] hiqlite = false` Rauthy keeps its data in PostgreSQL, and the table is idle. */
function withoutPostgresCluster(config: MapTree, notice: (text: string) => void): MapTree {
  const database = config.entries.get('database')?.value
  const hiqlite = database?.kind === 'map' ? database.entries.get('hiqlite')?.value : undefined
  if (hiqlite?.kind !== 'scalar' || hiqlite.value !== false) return config
  notice(
    '[database] hiqlite = false: Rauthy keeps its data in PostgreSQL, so [cluster] makes no job; ' +
      'declare a job with a source of type postgres instead',
  )
  return withoutKeys(config, (key) => key === 'cluster')
}

function has(tree: Tree | undefined, key: string): boolean {
  return tree?.kind === 'map' && tree.entries.has(key)
}
