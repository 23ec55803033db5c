import type { Bytes } from '../../core/model.ts'
import type { Section } from '../../core/section.ts'
import { ConfigError } from '../../lib/errors.ts'
import { Secret } from '../../lib/secret.ts'
import { formatBytes } from '../../lib/size.ts'
import { checkPrefix } from '../keys.ts'
import { type Expectations, readExpectations } from './expectations.ts'
import type { Profile } from './profiles.ts'

/** A block of the config that declares a bucket, read. */
export interface S3Options {
  readonly profile: Profile
  readonly bucket: string
  /** Put before each key: empty, or with a slash at its end. */
  readonly prefix: string
  /** Null: Amazon's, by region. */
  readonly endpoint: string | null
  /** Null: the environment's. */
  readonly region: string | null
  readonly pathStyle: boolean
  /** Null: the environment's own identity. */
  readonly credentials: Credentials | null
  readonly storageClass: string | null
  readonly encryption: Encryption | null
  readonly lock: Lock | null
  readonly parts: Parts
  readonly limits: Limits
  readonly expected: Expectations
  /** What is expected may be set where it is not met. */
  readonly manage: boolean
}

export interface Credentials {
  readonly keyId: Secret
  readonly secret: Secret
  readonly token: Secret | null
}

/** How the server encrypts what it stores. */
export type Encryption =
  | { readonly kind: 'AES256' }
  | { readonly kind: 'aws:kms'; readonly key: string | null }
  /** SSE-C: 32 bytes as Base64. The server forgets the key, so every request carries it. */
  | { readonly kind: 'customer'; readonly key: Secret }

/** For how long an archive and its manifest cannot be deleted. */
export interface Lock {
  readonly mode: 'COMPLIANCE' | 'GOVERNANCE'
  readonly days: number
}

export interface Parts {
  readonly bytes: Bytes
  /** How many are in memory at once, as long as they have that size. */
  readonly parallel: number
}

/** In milliseconds. */
export interface Limits {
  readonly connect: number
  /** How long a connection may stay silent while something is due on it. */
  readonly stall: number
}

/** The protocol allows no smaller parts, but for the last. */
const SMALLEST_PART = 5 * 1024 * 1024
/** Nor larger ones. */
const LARGEST_PART = 5 * 1024 ** 3

/** Reads the block. Throws `ConfigError` naming the key at fault. */
export function readOptions(section: Section, profile: Profile): S3Options {
  const endpoint = readEndpoint(section, profile)
  return {
    profile,
    bucket: section.string('bucket'),
    prefix: readPrefix(section),
    endpoint,
    region: section.optional('region') ?? profile.region(endpoint),
    pathStyle: section.flag('path_style', endpoint !== null),
    credentials: readCredentials(section),
    storageClass: section.optional('storage_class'),
    encryption: readEncryption(section),
    lock: readLock(section.block('object_lock')),
    parts: readParts(section, profile),
    limits: {
      connect: section.number('connect_timeout', 10_000),
      stall: section.number('stall_timeout', 60_000),
    },
    expected: readExpectations(section.block('expect')),
    manage: section.flag('manage', false),
  }
}

function readEndpoint(section: Section, profile: Profile): string | null {
  const endpoint = section.optional('endpoint')
  if (endpoint === null) {
    if (profile.needsEndpoint === null) return null
    throw fault(section, 'endpoint', 'is missing', profile.needsEndpoint)
  }
  const url = URL.parse(endpoint)
  if (url === null || !['http:', 'https:'].includes(url.protocol) || url.hostname === '') {
    throw fault(section, 'endpoint', 'must be an address that begins with https:// or http://')
  }
  if (url.username !== '' || url.password !== '') {
    throw fault(section, 'endpoint', 'must not carry a key', 'write access_key_id and its secret')
  }
  if (url.search !== '' || url.hash !== '') {
    throw fault(section, 'endpoint', 'must not hold a query or a fragment')
  }
  return endpoint.replace(/\/+$/, '')
}

function readPrefix(section: Section): string {
  const prefix = section.optional('prefix') ?? ''
  try {
    checkPrefix(prefix)
  } catch (cause) {
    throw fault(section, 'prefix', cause instanceof Error ? cause.message : 'cannot be used')
  }
  return prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`
}

function readCredentials(section: Section): Credentials | null {
  const keyId = section.secret('access_key_id')
  const secret = section.secret('secret_access_key')
  const token = section.secret('session_token')
  if (keyId && secret) return { keyId, secret, token }
  if (keyId) throw fault(section, 'secret_access_key', 'is missing beside access_key_id')
  if (secret || token) throw fault(section, 'access_key_id', 'is missing beside its secret')
  return null
}

function readEncryption(section: Section): Encryption | null {
  const block = section.block('server_side_encryption')
  if (block === null) return null
  const key = block.optional('kms_key_id')
  const own = block.secret('customer_key')
  const algorithm = block.optional('algorithm')
  if (own) {
    if (key !== null || algorithm === 'aws:kms') {
      throw fault(block, 'customer_key', 'cannot stand beside a key of the key service')
    }
    return { kind: 'customer', key: customerKey(block, own) }
  }
  if (algorithm === 'AES256' && key !== null) {
    throw fault(block, 'kms_key_id', 'is not used by AES256', 'write algorithm: aws:kms')
  }
  if (key !== null || algorithm === 'aws:kms') return { kind: 'aws:kms', key }
  return { kind: 'AES256' }
}

function customerKey(block: Section, key: Secret): Secret {
  const text = key.reveal().trim()
  const bytes = /^[0-9a-f]{64}$/i.test(text)
    ? Buffer.from(text, 'hex')
    : Buffer.from(text, 'base64')
  if (bytes.length !== 32 || !/^([0-9a-f]{64}|[A-Za-z0-9+/]{43}=)$/i.test(text)) {
    const hint = 'make one with: openssl rand -base64 32'
    throw fault(block, 'customer_key', 'must be 32 bytes, as Base64 or hexadecimal', hint)
  }
  return new Secret(bytes.toString('base64'))
}

function readLock(block: Section | null): Lock | null {
  if (block === null) return null
  const mode = block.string('mode') === 'governance' ? 'GOVERNANCE' : 'COMPLIANCE'
  return { mode, days: block.number('days', 1) }
}

function readParts(section: Section, profile: Profile): Parts {
  const bytes = section.size('part_size', profile.parts.bytes)
  if (bytes < SMALLEST_PART || bytes > LARGEST_PART) {
    const range = `${formatBytes(SMALLEST_PART)} and ${formatBytes(LARGEST_PART)}`
    throw fault(section, 'part_size', `must lie between ${range}`)
  }
  return { bytes, parallel: section.number('part_concurrency', profile.parts.parallel) }
}

function fault(
  { path }: Section,
  key: string,
  message: string,
  hint: string | null = null,
): ConfigError {
  return new ConfigError([{ at: path, path: `${path}.${key}`, message, hint }])
}
