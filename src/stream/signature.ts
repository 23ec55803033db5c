import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  sign,
  timingSafeEqual,
  verify,
} from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { encodeManifest, type Manifest, pretty, type Signature } from '../core/manifest.ts'
import { parseManifest, parseSignature, signedFields } from '../core/manifest-parse.ts'
import type { Signing } from '../core/model.ts'
import type { FoundManifest } from '../core/observed.ts'
import { ConfigError, ManifestRefused, messageOf } from '../lib/errors.ts'

/** A shorter secret can be guessed. */
const SHORTEST_KEY = 16

/**
 * The manifest's text, signed when `signing` is configured. Throws `ConfigError` for a key that
 * cannot be read or is none.
 */
export async function signManifest(manifest: Manifest, signing: Signing | null): Promise<string> {
  if (signing === null) return encodeManifest(manifest)
  const text = encodeManifest(manifest)
  return encodeManifest(manifest, await signatureOf(text, signing))
}

/**
 * Reads a manifest from a target. With a key configured, one that is not signed or wrongly signed
 * is foreign, as is one that cannot be understood, or of another deployment; `deployment` null takes
 * any. Throws only what `signManifest` throws, about the key.
 */
export async function readManifest(
  text: string,
  signing: Signing | null,
  deployment: string | null,
): Promise<FoundManifest> {
  const check = signing && (await checking(signing))
  try {
    const manifest = parseManifest(text)
    if (deployment !== null && manifest.deployment !== deployment) {
      return { kind: 'foreign', why: `it belongs to deployment ${manifest.deployment}` }
    }
    const why = check && refusalOf(text, check)
    return why === null ? { kind: 'ours', manifest } : { kind: 'foreign', why }
  } catch (error) {
    if (error instanceof ManifestRefused) return { kind: 'foreign', why: error.message }
    throw error
  }
}

/** Judges a signature over a canonical text. */
interface Check {
  readonly scheme: Signature['scheme']
  fits(text: string, value: Buffer): boolean
}

/** Why the text's signature does not count, or null when it does. */
function refusalOf(text: string, check: Check): string | null {
  const signature = parseSignature(text)
  if (signature === null) return 'it is not signed, and a key is configured'
  if (signature.scheme !== check.scheme) {
    return `it is signed with ${signature.scheme}, and ${check.scheme} is configured`
  }
  // Over what was read, not over what was written: of two equal keys only the one that counts.
  const canonical = pretty(signedFields(text))
  return check.fits(canonical, Buffer.from(signature.value, 'base64'))
    ? null
    : 'its signature does not fit the configured key'
}

async function signatureOf(text: string, signing: Signing): Promise<Signature> {
  if (signing.kind === 'hmac') {
    const mac = macOf(text, await readSecret(signing.keyFile))
    return { scheme: 'hmac-sha256', value: mac.toString('base64') }
  }
  if (signing.privateKeyFile === null) {
    const why = 'is a public key: a backup is signed with a private one'
    throw keyFault(signing.publicKeyFile, why, 'declare signing.private_key_file')
  }
  const key = await readKey(signing.privateKeyFile, createPrivateKey)
  return { scheme: 'ed25519', value: sign(null, Buffer.from(text), key).toString('base64') }
}

async function checking(signing: Signing): Promise<Check> {
  if (signing.kind === 'hmac') {
    const key = await readSecret(signing.keyFile)
    return {
      scheme: 'hmac-sha256',
      fits(text, value) {
        const mac = macOf(text, key)
        return mac.length === value.length && timingSafeEqual(mac, value)
      },
    }
  }
  const key = await readKey(signing.publicKeyFile, createPublicKey)
  return { scheme: 'ed25519', fits: (text, value) => verify(null, Buffer.from(text), key, value) }
}

function macOf(text: string, key: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

/** The file's text without the white space around it: editors end files with a newline. */
async function readSecret(path: string): Promise<string> {
  const secret = (await read(path)).trim()
  if (secret.length >= SHORTEST_KEY) return secret
  throw keyFault(path, `has to hold ${SHORTEST_KEY} characters or more`, MAKE_SECRET)
}

async function readKey(path: string, parse: (pem: string) => KeyObject): Promise<KeyObject> {
  const pem = await read(path)
  let key: KeyObject
  try {
    key = parse(pem)
  } catch (cause) {
    throw keyFault(path, 'is no key in PEM', MAKE_PAIR, cause)
  }
  if (key.asymmetricKeyType === 'ed25519') return key
  throw keyFault(path, `is a key of type ${key.asymmetricKeyType}, not ed25519`, MAKE_PAIR)
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw keyFault(path, `cannot be read: ${messageOf(cause)}`, null, cause)
  }
}

const MAKE_SECRET = 'make one with: head -c 32 /dev/urandom | base64'
const MAKE_PAIR = 'make one with: openssl genpkey -algorithm ed25519'

function keyFault(
  path: string,
  message: string,
  hint: string | null,
  cause?: unknown,
): ConfigError {
  return new ConfigError([{ at: path, path: 'signing', message, hint }], { cause })
}
