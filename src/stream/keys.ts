import { readFile, stat } from 'node:fs/promises'
import type { ManifestEncryption } from '../core/manifest.ts'
import type { CryptrEncryption, CryptrKey, Encryption } from '../core/model.ts'
import { CannotDecrypt, ConfigError, messageOf } from '../lib/errors.ts'
import { Secret } from '../lib/secret.ts'

/** What an archive is closed with. */
export type SealingKeys = AgeSealing | { readonly kind: 'cryptr'; readonly key: CryptrKey }

export type AgeSealing =
  | { readonly kind: 'recipients'; readonly recipients: readonly string[] }
  | { readonly kind: 'passphrase'; readonly passphrase: Secret }

/** What an archive may be opened with. */
export type Identity =
  | { readonly kind: 'identity'; readonly secret: Secret; readonly file: string }
  | { readonly kind: 'passphrase'; readonly secret: Secret; readonly file: string }
  | { readonly kind: 'cryptr'; readonly secret: Secret; readonly id: string }

/** What was wrong with a key file that is used all the same, or left out. */
export interface KeyWarning {
  readonly file: string
  readonly message: string
  readonly hint: string | null
}

/** Identities and passphrases that were found, and what their files should be told off for. */
export interface LoadedIdentities {
  readonly identities: readonly Identity[]
  readonly warnings: readonly KeyWarning[]
}

export interface JobEncryption {
  /** Null: archives stay plain. */
  readonly keys: SealingKeys | null
  /** What the manifest tells of it. */
  readonly manifest: ManifestEncryption | null
}

/**
 * What a job's archives are encrypted with. Reads the passphrase's file, never an identity. Throws
 * `ConfigError` for a recipient that is none, both ways at once, neither, an unusable file, or an
 * active key that is not there.
 */
export async function encryptionOf(encryption: Encryption | null): Promise<JobEncryption> {
  if (encryption === null) return { keys: null, manifest: null }
  if (encryption.scheme === 'cryptr') return byCryptr(encryption)
  const { recipients, passphraseFile } = encryption
  if (passphraseFile !== null) {
    if (recipients.length > 0) {
      throw fault('recipients', 'age takes recipients or a passphrase, not both')
    }
    const passphrase = await readPassphrase(passphraseFile).catch((cause) => {
      throw fault('passphrase_file', messageOf(cause), cause)
    })
    return { keys: { kind: 'passphrase', passphrase }, manifest: { scheme: 'age-passphrase' } }
  }
  if (recipients.length === 0) throw fault('recipients', 'names nobody to encrypt to')
  for (const recipient of recipients) await checkRecipient(recipient)
  return { keys: { kind: 'recipients', recipients }, manifest: { scheme: 'age', recipients } }
}

function byCryptr({ keys, active }: CryptrEncryption): JobEncryption {
  const key = keys.find(({ id }) => id === active)
  if (!key) throw fault('cryptr.key_active', `there is no key ${active}`)
  return { keys: { kind: 'cryptr', key }, manifest: { scheme: 'cryptr', keyId: active } }
}

/** The word of the layer that these keys make. */
export function layerOfKeys(keys: SealingKeys): 'age' | 'cryptr' {
  return keys.kind === 'cryptr' ? 'cryptr' : 'age'
}

/**
 * Every identity, passphrase and key that these blocks name, each once. A file that cannot be used is left
 * out while another can; throws `CannotDecrypt` when none of several can. None named: none found.
 */
export async function loadIdentities(
  encryptions: readonly (Encryption | null)[],
): Promise<readonly Identity[]> {
  return (await loadIdentityFiles(encryptions)).identities
}

/** As `loadIdentities`, with warnings: files that others can read, and those that were left out. */
export async function loadIdentityFiles(
  encryptions: readonly (Encryption | null)[],
): Promise<LoadedIdentities> {
  const age = encryptions.filter((block) => block?.scheme === 'age')
  const identityFiles = new Set(age.flatMap((block) => block.identityFiles))
  const passphraseFiles = new Set(
    age.flatMap((block) => (block.passphraseFile ? [block.passphraseFile] : [])),
  )
  const identities: Identity[] = [...cryptrKeys(encryptions)]
  const warnings: KeyWarning[] = []
  const load = async (file: string, read: () => Promise<readonly Identity[]>) => {
    try {
      const known = new Set(identities.map(({ secret }) => secret.reveal()))
      identities.push(...(await read()).filter(({ secret }) => !known.has(secret.reveal())))
      warnings.push(...(await readableByOthers(file)))
    } catch (cause) {
      warnings.push({ file, message: messageOf(cause), hint: HINT })
    }
  }
  for (const file of identityFiles) await load(file, () => readIdentities(file))
  for (const file of passphraseFiles) {
    await load(file, async () => [
      { kind: 'passphrase', secret: await readPassphrase(file), file } as const,
    ])
  }
  const [first] = warnings
  if (identities.length === 0 && first) throw new CannotDecrypt(first.message, { hint: HINT })
  return { identities, warnings }
}

/** Of each id and key one: the same id may stand for two keys, and the same key under two ids. */
function cryptrKeys(encryptions: readonly (Encryption | null)[]): Iterable<Identity> {
  const keys = new Map<string, Identity>()
  for (const block of encryptions) {
    for (const { id, key } of block?.scheme === 'cryptr' ? block.keys : []) {
      const mark = `${id}/${key.reveal()}`
      if (!keys.has(mark)) keys.set(mark, { kind: 'cryptr', secret: key, id })
    }
  }
  return keys.values()
}

const HINT =
  'mount the file, or correct encryption.identity_file; make one with: age-keygen -o FILE'

/** Identities of a file as `age-keygen` writes it: one a line, `#` comments. Never echoes a line. */
async function readIdentities(file: string): Promise<readonly Identity[]> {
  const text = await readKeyFile(file, 'identity file')
  if (/^(age-encryption\.org|-----BEGIN AGE ENCRYPTED)/.test(text)) {
    throw new Error(`identity file ${file} is itself encrypted; open it with: age -d`)
  }
  if (text.startsWith('-----BEGIN')) {
    throw new Error(`identity file ${file} holds no age identity; SSH and PEM keys are not taken`)
  }
  const { Decrypter } = await import('age-encryption')
  const identities: Identity[] = []
  for (const [index, line] of text.split('\n').entries()) {
    const word = line.trim()
    if (word === '' || word.startsWith('#')) continue
    try {
      new Decrypter().addIdentity(word)
    } catch {
      // The library's message may quote the key.
      throw new Error(`line ${index + 1} of identity file ${file} is no age identity`)
    }
    identities.push({ kind: 'identity', secret: new Secret(word), file })
  }
  if (identities.length === 0) throw new Error(`identity file ${file} holds no identity`)
  return identities
}

async function readPassphrase(file: string): Promise<Secret> {
  const text = (await readKeyFile(file, 'passphrase file')).replace(/\r?\n$/, '')
  if (text === '') throw new Error(`passphrase file ${file} is empty`)
  return new Secret(text)
}

async function readKeyFile(file: string, what: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : 'unknown error'
    throw new Error(`cannot read ${what} ${file} (${code})`, { cause })
  }
}

async function readableByOthers(file: string): Promise<readonly KeyWarning[]> {
  const mode = (await stat(file)).mode & 0o777
  if ((mode & 0o077) === 0) return []
  const octal = mode.toString(8).padStart(4, '0')
  const message = `key file ${file} is open to others (mode ${octal})`
  return [{ file, message, hint: `chmod 600 ${file}` }]
}

async function checkRecipient(recipient: string): Promise<void> {
  if (recipient.startsWith('AGE-SECRET-KEY-')) {
    throw fault('recipients', 'a secret key stands where a recipient (age1…) belongs')
  }
  // Loaded where it is needed: 5 MB that a daemon without encryption does not hold.
  const { Encrypter } = await import('age-encryption')
  try {
    new Encrypter().addRecipient(recipient)
  } catch (cause) {
    throw fault('recipients', `${recipient} is no age recipient`, cause)
  }
}

function fault(key: string, message: string, cause?: unknown): ConfigError {
  const path = `encryption.${key}`
  return new ConfigError([{ at: path, path, message, hint: null }], { cause })
}
