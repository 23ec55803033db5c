import { ManifestDamaged, ManifestRefused, messageOf } from '../lib/errors.ts'
import { isCryptrId } from './cryptr-keys.ts'
import {
  MANIFEST_VERSION,
  type Manifest,
  type ManifestEncryption,
  type ManifestSource,
  type Signature,
  type SourceFacts,
} from './manifest.ts'
import { type FieldReader, hasControl, isFields, isTexts, reading } from './manifest-reader.ts'
import type { BackupId, Bytes, InstanceId, JobId, RunId } from './model.ts'

/** A manifest is a page of text; whatever is longer is none. */
const LONGEST = 4 * 1024 * 1024
const LONGEST_KEY = 1024

/**
 * Reads a manifest that anybody may have written. Throws `ManifestRefused` that names what is
 * wrong: no JSON, a missing or absurd value, a key that leads out of the target, or a newer version
 * (which it says to upgrade for). Keys that it does not know are left alone.
 */
export function parseManifest(text: string): Manifest {
  const top = reading(parseFields(text))
  const version = top.count('version')
  if (version < 1) throw top.refuse('version', 'has to be 1 or more')
  if (version > MANIFEST_VERSION) {
    throw new ManifestRefused(
      `manifest has version ${version}, and this holdfast reads up to ${MANIFEST_VERSION}`,
      { hint: 'upgrade holdfast on this machine' },
    )
  }
  const manifest = {
    version,
    deployment: top.name('deployment'),
    run: top.name('run') as RunId,
    runName: top.nameOrNull('runName'),
    backup: top.name('backup') as BackupId,
    job: top.name('job') as JobId,
    organization: top.nameOrNull('organization'),
    app: top.nameOrNull('app'),
    slot: top.instantOrNull('slot'),
    attempt: top.count('attempt'),
    fence: top.count('fence'),
    source: parseSource(top.block('source')),
    started: top.instant('started'),
    finished: top.instant('finished'),
    key: parseKey(top),
    stored: parseStored(top.block('stored')),
    layers: top.texts('layers'),
    encryption: parseEncryption(top.blockOrNull('encryption')),
    config: parseConfig(top.block('config')),
    instance: top.name('instance') as InstanceId,
    holdfast: top.name('holdfast'),
    warnings: top.texts('warnings'),
  }
  if (manifest.finished < manifest.started) throw top.refuse('finished', 'is before started')
  if (manifest.layers.length === 0) throw top.refuse('layers', 'is empty')
  return manifest
}

/** The signature that a manifest's text carries, or null. Throws `ManifestRefused` as `parseManifest`. */
export function parseSignature(text: string): Signature | null {
  const fields = parseFields(text)
  if (!Object.hasOwn(fields, 'signature')) return null
  const block = reading(fields).block('signature')
  const scheme = block.text('scheme')
  if (scheme !== 'ed25519' && scheme !== 'hmac-sha256') {
    throw block.refuse('scheme', 'has to be ed25519 or hmac-sha256')
  }
  return { scheme, value: block.text('value') }
}

/** What a signature speaks of: every key of the text but the signature, as they stand. */
export function signedFields(text: string): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(parseFields(text)).filter(([key]) => key !== 'signature'),
  )
}

function parseFields(text: string): Readonly<Record<string, unknown>> {
  if (text.length > LONGEST) throw new ManifestDamaged('manifest is broken: it is far too long')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new ManifestDamaged(`manifest is no JSON: ${messageOf(cause)}`, { cause })
  }
  if (!isFields(value)) throw new ManifestDamaged('manifest is broken: it is no JSON object')
  return value
}

function parseKey(top: FieldReader): string {
  const key = top.text('key')
  const isPath = key.split('/').every((part) => part !== '' && part !== '.' && part !== '..')
  if (!isPath || key.length > LONGEST_KEY || key.includes('\\') || hasControl(key)) {
    throw top.refuse('key', 'has to be a path that stays inside the target')
  }
  return key
}

function parseSource(block: FieldReader): ManifestSource {
  const facts: Record<string, SourceFacts[string]> = {}
  const own = block.block('facts')
  for (const [key, value] of own.entries()) {
    if (!/^[A-Za-z][A-Za-z0-9_.-]*$/.test(key)) throw own.refuse(key, 'is no name of a fact')
    if (!isFact(value)) throw own.refuse(key, 'has to be text, a number, a flag or a list of texts')
    facts[key] = value
  }
  return { type: block.name('type'), name: parseSourceName(block), facts }
}

function parseSourceName(block: FieldReader): string {
  const name = block.name('name')
  if (!/^[A-Za-z0-9._-]+$/.test(name)) throw block.refuse('name', 'has to be [A-Za-z0-9._-]+')
  return name
}

function isFact(value: unknown): value is SourceFacts[string] {
  return (
    value === null ||
    typeof value === 'string' ||
    typeof value === 'number' ||
    typeof value === 'boolean' ||
    isTexts(value)
  )
}

function parseStored(block: FieldReader): Manifest['stored'] {
  return { bytes: block.count('bytes') as Bytes, sha256: block.sha256('sha256') }
}

function parseConfig(block: FieldReader): Manifest['config'] {
  return { sha256: block.sha256('sha256'), commit: block.nameOrNull('commit') }
}

function parseEncryption(block: FieldReader | null): ManifestEncryption | null {
  if (block === null) return null
  const scheme = block.text('scheme')
  if (scheme === 'age-passphrase') return { scheme }
  if (scheme === 'age') return { scheme, recipients: block.texts('recipients') }
  if (scheme === 'cryptr') return { scheme, keyId: parseKeyId(block) }
  throw block.refuse(
    'scheme',
    `is ${JSON.stringify(scheme.slice(0, 40))}, which nobody here can open`,
  )
}

function parseKeyId(block: FieldReader): string {
  const keyId = block.name('keyId')
  if (!isCryptrId(keyId)) throw block.refuse('keyId', 'is no id of a key')
  return keyId
}
