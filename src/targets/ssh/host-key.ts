import { createHash, createHmac } from 'node:crypto'

/** A host key as the config pins it: the key itself, or its fingerprint alone. */
export type PinnedKey =
  | { readonly kind: 'key'; readonly type: string; readonly base64: string }
  | { readonly kind: 'fingerprint'; readonly fingerprint: string }

/** A key that a file of known hosts tells of a host. */
export interface KnownKey {
  readonly type: string
  readonly base64: string
  /** Number of its line, from 1. */
  readonly line: number
  readonly isRevoked: boolean
}

/** Null when it is neither a line of a key nor a fingerprint. */
export function parsePinnedKey(text: string): PinnedKey | null {
  const line = text.trim()
  const [, fingerprint] = /^(SHA256:[A-Za-z0-9+/]{43})=?$/.exec(line) ?? []
  if (fingerprint !== undefined) return { kind: 'fingerprint', fingerprint }
  const [type = '', base64 = ''] = line.split(/\s+/)
  if (base64 === '' || typeOf(Buffer.from(base64, 'base64')) !== type) return null
  return { kind: 'key', type, base64 }
}

/** As `ssh-keygen -lf` prints it. */
export function fingerprintOf(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replaceAll('=', '')}`
}

/** The type that the blob of a public key begins with; empty for what is none. */
export function typeOf(key: Buffer): string {
  if (key.length < 4) return ''
  const length = key.readUInt32BE(0)
  return length > 64 ? '' : key.toString('latin1', 4, 4 + length)
}

/** How a file of known hosts names a host. */
export function hostName(host: string, port: number): string {
  const name = host.toLowerCase()
  return port === 22 ? name : `[${name}]:${port}`
}

/**
 * What the text of a file of known hosts (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT) tells of a host. A
 * host of another port than 22 is looked for without its port too, when nothing is told of it with.
 * Lines of certificate authorities and such as nobody understands are passed over, as ssh does.
 */
export function knownKeys(text: string, host: string, port: number): readonly KnownKey[] {
  const found = keysOf(text, hostName(host, port))
  return found.length > 0 || port === 22 ? found : keysOf(text, hostName(host, 22))
}

function keysOf(text: string, name: string): readonly KnownKey[] {
  return text.split('\n').flatMap((line, index) => {
    const words = line.trim().split(/\s+/)
    const marker = words[0]?.startsWith('@') ? words.shift() : null
    const [hosts = '', type = '', base64 = ''] = words
    if (marker === '@cert-authority' || base64 === '' || hosts.startsWith('#')) return []
    if (!isNamed(hosts, name)) return []
    return [{ type, base64, line: index + 1, isRevoked: marker === '@revoked' }]
  })
}

function isNamed(hosts: string, name: string): boolean {
  if (hosts.startsWith('|1|')) {
    const [, , salt = '', hash] = hosts.split('|')
    return createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest('base64') === hash
  }
  const patterns = hosts.toLowerCase().split(',')
  const denied = patterns.some((one) => one.startsWith('!') && matches(one.slice(1), name))
  return !denied && patterns.some((one) => matches(one, name))
}

function matches(pattern: string, name: string): boolean {
  const parts = pattern.split(/([*?])/).map((part) => {
    if (part === '*') return '.*'
    return part === '?' ? '.' : part.replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
  })
  return new RegExp(`^${parts.join('')}$`, 's').test(name)
}
