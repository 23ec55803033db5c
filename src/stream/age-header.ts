import { extname } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { ArchiveDamaged, CannotDecrypt, messageOf } from '../lib/errors.ts'
import type { Secret } from '../lib/secret.ts'
import { mustSucceed, run } from '../platform/program.ts'
import { fileKeyOf, type Header, headerByRecipients } from './age-library.ts'
import type { Answer, Question } from './age-passphrase.ts'
import type { AgeSealing, Identity } from './keys.ts'

/** First line of every age file. */
export const AGE_MAGIC = 'age-encryption.org/v1\n'
/** A stanza of the largest kind takes 1.7 KB: enough for hundreds of recipients. */
const HEADER_LIMIT = 1024 * 1024

/** A header for these keys with a fresh file key. A passphrase takes a child process and seconds. */
export async function makeHeader(keys: AgeSealing, signal: AbortSignal): Promise<Header> {
  if (keys.kind === 'passphrase') {
    const answer = await askChild({ kind: 'make', passphrase: keys.passphrase.reveal() }, signal)
    if (answer.kind !== 'made') throw new Error(`cannot make a header: ${answer.kind}`)
    return {
      header: Buffer.from(answer.header, 'base64'),
      fileKey: Buffer.from(answer.fileKey, 'base64'),
    }
  }
  const { Encrypter } = await import('age-encryption')
  const encrypter = new Encrypter()
  for (const recipient of keys.recipients) encrypter.addRecipient(recipient)
  return await headerByRecipients(encrypter)
}

/**
 * Length of the header that `head`, the beginning of a file, starts with; null when more is needed.
 * Throws `ArchiveDamaged` when it cannot become one.
 */
export function headerLength(head: Buffer): number | null {
  const start = head.subarray(0, AGE_MAGIC.length).toString('latin1')
  if (!AGE_MAGIC.startsWith(start)) throw new ArchiveDamaged('the archive is no age file')
  const mac = head.indexOf('\n--- ')
  const end = mac < 0 ? -1 : head.indexOf('\n', mac + 1)
  if (end >= 0) return end + 1
  if (head.length > HEADER_LIMIT)
    throw new ArchiveDamaged('the age header of the archive is endless')
  return null
}

/**
 * The file key of a header. Throws `CannotDecrypt` when no identity or passphrase opens it, saying
 * whom it was made for and what was tried, and `ArchiveDamaged` for a header that is broken.
 */
export async function openHeader(
  header: Buffer,
  identities: readonly Identity[],
  signal: AbortSignal,
): Promise<Uint8Array> {
  const stanzas = stanzasOf(header)
  const passphrases = identities.filter(({ kind }) => kind === 'passphrase')
  if (stanzas.includes('scrypt')) {
    for (const { secret } of passphrases) {
      const fileKey = await openByPassphrase(header, secret, signal)
      if (fileKey) return fileKey
    }
    throw notForUs(
      'is encrypted with a passphrase',
      passphrases.length === 0 ? 'none is configured' : 'the configured one does not open it',
      'passphrase_file',
    )
  }
  const keys = identities.filter(({ kind }) => kind === 'identity')
  if (keys.length > 0) {
    const fileKey = await openByIdentities(header, keys)
    if (fileKey) return fileKey
  }
  const kinds = [...new Set(stanzas)].join(', ')
  throw notForUs(
    `is encrypted to ${stanzas.length} recipient${stanzas.length === 1 ? '' : 's'} (${kinds})`,
    ifNoneFits(keys.length),
    'identity_file',
  )
}

async function openByIdentities(
  header: Buffer,
  identities: readonly Identity[],
): Promise<Uint8Array | null> {
  const { Decrypter } = await import('age-encryption')
  const decrypter = new Decrypter()
  for (const { secret } of identities) decrypter.addIdentity(secret.reveal())
  try {
    return await fileKeyOf(header, decrypter)
  } catch (cause) {
    throw damagedHeader(messageOf(cause))
  }
}

async function openByPassphrase(
  header: Buffer,
  passphrase: Secret,
  signal: AbortSignal,
): Promise<Uint8Array | null> {
  const answer = await askChild(
    { kind: 'open', passphrase: passphrase.reveal(), header: header.toString('base64') },
    signal,
  )
  if (answer.kind === 'opened') return Buffer.from(answer.fileKey, 'base64')
  if (answer.kind === 'no-match') return null
  throw damagedHeader(answer.kind === 'damaged' ? answer.message : answer.kind)
}

/** The kinds of the stanzas; those that are there only to be ignored are. */
function stanzasOf(header: Buffer): readonly string[] {
  const kinds = [...header.toString('latin1').matchAll(/^-> (\S+)/gm)].map(([, kind]) => kind ?? '')
  return kinds.filter((kind) => !kind.endsWith('-grease'))
}

/** scrypt takes 300 MB for a moment: in a process of its own, which gives them back. */
async function askChild(question: Question, signal: AbortSignal): Promise<Answer> {
  // The child stands beside this file, with the same extension, compiled or not.
  const child = new URL(`./age-passphrase${extname(import.meta.url)}`, import.meta.url)
  const { stdout, exit } = await run(
    { command: process.execPath, args: [fileURLToPath(child)] },
    { input: JSON.stringify(question), timeLimit: 300_000, signal },
  )
  mustSucceed(exit)
  return JSON.parse(stdout)
}

function damagedHeader(how: string): ArchiveDamaged {
  return new ArchiveDamaged(`the age header of the archive is damaged: ${how}`)
}

function notForUs(what: string, why: string, key: string): CannotDecrypt {
  return new CannotDecrypt(`the archive ${what}, and ${why}`, {
    hint: `name the right file in encryption.${key}`,
  })
}

function ifNoneFits(identities: number): string {
  if (identities === 0) return 'no identity is configured'
  if (identities === 1) return 'the configured identity does not open it'
  return `none of the ${identities} configured identities opens it`
}
