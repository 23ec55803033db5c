import { mkdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as later } from 'node:timers/promises'
import type { Event } from '../../core/event.ts'
import { Failure, messageOf, TargetUnreachable } from '../../lib/errors.ts'
import { isGone, readTextFile, writeFileDurably } from '../../platform/files.ts'
import {
  fingerprintOf,
  hostName,
  type KnownKey,
  knownKeys,
  type PinnedKey,
  typeOf,
} from './host-key.ts'
import { fault, type SshOptions } from './options.ts'

const FILE_LIMIT = 16 * 1024 * 1024
const FILE_MODE = 0o600
const LOCK_TRIES = 500
const LOCK_EVERY = 10

/** Whom a target trusts to be its host. */
export interface Trust {
  /** Types of the keys that are known, the ones to ask the host for. */
  readonly types: readonly string[]
  /** Resolves for a key that is trusted; throws `TargetUnreachable` for every other one. */
  check(key: Buffer): Promise<void>
}

export interface TrustSurroundings {
  readonly dataDir: string
  readonly report: (event: Event) => void
}

/**
 * What `host_key` says; or else `known_hosts_file`; or else what was seen at the first contact, as
 * `accept-new` of ssh has it.
 */
export async function trustOf(options: SshOptions, around: TrustSurroundings): Promise<Trust> {
  if (options.hostKey) return pinned(options, options.hostKey)
  if (options.knownHostsFile !== null) return listed(options, options.knownHostsFile)
  return firstSeen(options, around)
}

function pinned(options: SshOptions, key: PinnedKey): Trust {
  if (key.kind === 'fingerprint') {
    return {
      types: [],
      async check(shown) {
        if (fingerprintOf(shown) === key.fingerprint) return
        const hint = `${CHANGED}; for a key of another type, write its whole line as host_key`
        throw refused(options, `host_key is ${key.fingerprint}, it shows ${told(shown)}`, hint)
      },
    }
  }
  const wanted = Buffer.from(key.base64, 'base64')
  return {
    types: [key.type],
    async check(shown) {
      if (shown.equals(wanted)) return
      throw refused(options, `host_key is ${told(wanted)}, it shows ${told(shown)}`, CHANGED)
    },
  }
}

async function listed(options: SshOptions, path: string): Promise<Trust> {
  const text = await readTextFile(path, FILE_LIMIT).catch((error: unknown) => {
    throw fault(options.section, 'known_hosts_file', `cannot be read: ${messageOf(error)}`)
  })
  const known = knownKeys(text, options.host, options.port)
  return {
    types: typesOf(known),
    async check(shown) {
      if (judge(options, path, known, shown) === 'known') return
      const scan = `ssh-keyscan -p ${options.port} ${options.host} >> ${path}`
      const hint = `compare the fingerprint with the host's own, then: ${scan}`
      throw refused(options, `${path} does not name it; it shows ${told(shown)}`, hint)
    },
  }
}

async function firstSeen(options: SshOptions, around: TrustSurroundings): Promise<Trust> {
  const path = join(around.dataDir, 'known_hosts')
  const read = async () => knownKeys(await textOf(path), options.host, options.port)
  return {
    types: typesOf(await read()),
    async check(shown) {
      if (judge(options, path, await read(), shown) === 'known') return
      const isNew = await remember(options, path, shown).catch((error: unknown) => {
        if (error instanceof Failure) throw error
        throw refused(options, `it cannot be kept in ${path}: ${messageOf(error)}`)
      })
      if (isNew) around.report(firstContact(options, shown, path))
    },
  }
}

/** False when another process has met the host since. */
async function remember(options: SshOptions, path: string, shown: Buffer): Promise<boolean> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  return await locked(`${path}.lock`, async () => {
    const text = await textOf(path)
    const known = knownKeys(text, options.host, options.port)
    if (judge(options, path, known, shown) === 'known') return false
    const begin = text === '' || text.endsWith('\n') ? text : `${text}\n`
    const name = hostName(options.host, options.port)
    const line = `${name} ${typeOf(shown)} ${shown.toString('base64')}\n`
    await writeFileDurably(path, begin + line, FILE_MODE)
    return true
  })
}

function firstContact({ host, port, label }: SshOptions, key: Buffer, path: string): Event {
  const fingerprint = fingerprintOf(key)
  const name = hostName(host, port)
  return {
    event: 'target.first_contact',
    level: 'warn',
    message: `met ${name} for the first time: its ${typeOf(key)} key ${fingerprint} is trusted from now on; compare it with the host's own`,
    detail: { host: name, fingerprint, keyType: typeOf(key), place: label, file: path },
  }
}

/** Throws `TargetUnreachable` for a key that is revoked, or another one than is known. */
function judge(
  options: SshOptions,
  path: string,
  known: readonly KnownKey[],
  shown: Buffer,
): 'known' | 'unknown' {
  const same = known.filter(({ base64 }) => sameKey(base64, shown))
  const revoked = same.find(({ isRevoked }) => isRevoked)
  if (revoked) {
    throw refused(options, `${path}:${revoked.line} revokes the ${told(shown)} that it shows`)
  }
  if (same.length > 0) return 'known'
  const other = known.find(({ isRevoked, type }) => !isRevoked && type === typeOf(shown))
  const first = other ?? known.find(({ isRevoked }) => !isRevoked)
  if (!first) return 'unknown'
  const before = told(Buffer.from(first.base64, 'base64'))
  const hint = `${CHANGED}; if it is meant, remove line ${first.line} of ${path}`
  throw refused(options, `its key was ${before} and is now ${told(shown)}`, hint)
}

const CHANGED = 'somebody may be in between, or the host was set up anew: ask who runs it'

function refused({ host, port, label }: SshOptions, why: string, hint?: string): TargetUnreachable {
  return new TargetUnreachable(
    `cannot connect to ${label}: the key of ${hostName(host, port)} is not trusted: ${why}`,
    { at: label, ...(hint === undefined ? {} : { hint }) },
  )
}

function sameKey(base64: string, key: Buffer): boolean {
  return Buffer.from(base64, 'base64').equals(key)
}

function told(key: Buffer): string {
  return `${typeOf(key)} ${fingerprintOf(key)}`
}

function typesOf(known: readonly KnownKey[]): readonly string[] {
  return known.filter(({ isRevoked }) => !isRevoked).map(({ type }) => type)
}

async function textOf(path: string): Promise<string> {
  return await readFile(path, 'utf8').catch((error: unknown) => {
    if (isGone(error)) return ''
    throw error
  })
}

/**
 * Does `work` while no other process does its own under that name. The lock is one of SQLite: it
 * ends with its process, however that ends.
 */
async function locked<T>(path: string, work: () => Promise<T>): Promise<T> {
  const lock = new DatabaseSync(path, { timeout: 0 })
  try {
    for (let tries = 1; ; tries++) {
      try {
        lock.exec('BEGIN EXCLUSIVE')
        break
      } catch (error) {
        if (tries === LOCK_TRIES) throw error
        await later(LOCK_EVERY)
      }
    }
    return await work()
  } finally {
    lock.close()
  }
}
