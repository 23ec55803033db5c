import { createHash } from 'node:crypto'
import { posix } from 'node:path'
import type { Section } from '../../core/section.ts'
import { ConfigError } from '../../lib/errors.ts'
import type { Secret } from '../../lib/secret.ts'
import { type PinnedKey, parsePinnedKey } from './host-key.ts'

/** A block of the config, as far as the connection and its place depend on it. */
export interface SshOptions {
  /** Path of the block in the config, for its faults. */
  readonly section: string
  readonly host: string
  readonly port: number
  readonly username: string
  /** Where the objects are, without a slash at its end: `` for `/`, `.` for the user's home. */
  readonly root: string
  /** For a person: `backup@nas:/srv/backups`. */
  readonly label: string
  readonly privateKey: Secret | null
  readonly passphrase: Secret | null
  readonly hostKey: PinnedKey | null
  readonly knownHostsFile: string | null
}

/** Throws `ConfigError` naming the key at fault. */
export function readOptions(section: Section): SshOptions {
  const host = section.string('host')
  const port = section.number('port', 22)
  const username = section.string('username')
  const path = section.string('path')
  if (path.includes('\0')) throw fault(section.path, 'path', 'must not hold a NUL')
  const pinned = section.optional('host_key')
  const hostKey = pinned === null ? null : parsePinnedKey(pinned)
  if (pinned !== null && hostKey === null) {
    const forms = 'a line as `ssh-ed25519 AAAA…` or a fingerprint as `SHA256:…`'
    throw fault(section.path, 'host_key', `must be ${forms}`, `ssh-keyscan -p ${port} ${host}`)
  }
  const knownHostsFile = section.optional('known_hosts_file')
  if (hostKey && knownHostsFile !== null) {
    throw fault(section.path, 'known_hosts_file', 'says what host_key says already: keep one')
  }
  return {
    section: section.path,
    host,
    port,
    username,
    root: rootOf(path),
    label: `${username}@${host}${port === 22 ? '' : ` port ${port}`}:${path}`,
    privateKey: section.secret('private_key'),
    passphrase: section.secret('passphrase'),
    hostKey,
    knownHostsFile,
  }
}

/** As a shell would read it; SFTP itself knows no `~`, and takes what is relative from the home. */
function rootOf(path: string): string {
  const fromHome = path === '~' ? '.' : path.replace(/^~\//, './')
  return posix.normalize(fromHome).replace(/\/+$/, '')
}

/** Two blocks of the same name reach the same account in the same way, and can share connections. */
export function connectionName(options: SshOptions, dataDir: string): string {
  const { host, port, username, privateKey, passphrase, hostKey, knownHostsFile } = options
  const parts = [host, port, username, hostKey, knownHostsFile, dataDir]
  const secrets = [privateKey?.reveal() ?? null, passphrase?.reveal() ?? null]
  return createHash('sha256')
    .update(JSON.stringify([parts, secrets]))
    .digest('hex')
}

export function fault(section: string, key: string, message: string, hint?: string): ConfigError {
  return new ConfigError([{ at: section, path: `${section}.${key}`, message, hint: hint ?? null }])
}
