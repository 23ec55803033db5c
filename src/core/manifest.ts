import { iso } from '../lib/time.ts'
import { unreachable } from '../lib/unreachable.ts'
import type { BackupId, Bytes, InstanceId, Instant, JobId, RunId } from './model.ts'
import { byText } from './order.ts'

/** Version of the manifest format that this program writes. It reads this one and older. */
export const MANIFEST_VERSION = 1

/** The small JSON beside an archive, written last, never changed after, that makes the archive count. */
export interface Manifest {
  readonly version: number
  readonly deployment: string
  readonly run: RunId
  readonly runName: string | null
  readonly backup: BackupId
  readonly job: JobId
  readonly organization: string | null
  readonly app: string | null
  readonly slot: Instant | null
  readonly attempt: number
  readonly fence: number
  readonly source: ManifestSource
  readonly started: Instant
  readonly finished: Instant
  /** Key of the archive, from the target's root on. */
  readonly key: string
  readonly stored: { readonly bytes: Bytes; readonly sha256: string }
  /** From the inside out: `tar`, `zstd`, `age`. */
  readonly layers: readonly string[]
  readonly encryption: ManifestEncryption | null
  readonly config: { readonly sha256: string; readonly commit: string | null }
  readonly instance: InstanceId
  readonly holdfast: string
  readonly warnings: readonly string[]
}

export interface ManifestSource {
  /** `directory`, `sqlite`, `hiqlite`, `command`. */
  readonly type: string
  readonly name: string
  /** What a restore has to know: path, excludes, device, owner … Strings, numbers, lists of strings; no secrets. */
  readonly facts: SourceFacts
}

export type SourceFacts = Readonly<
  Record<string, string | number | boolean | null | readonly string[]>
>

export type ManifestEncryption =
  | { readonly scheme: 'age'; readonly recipients: readonly string[] }
  | { readonly scheme: 'age-passphrase' }
  | { readonly scheme: 'cryptr'; readonly keyId: string }

/** Proof that whoever wrote a manifest had the key: over its canonical text without this block. */
export interface Signature {
  readonly scheme: 'ed25519' | 'hmac-sha256'
  /** Base64. */
  readonly value: string
}

/**
 * The canonical text: keys in one order, instants as ISO 8601 in UTC, two spaces, a newline at the
 * end. Equal manifests give equal texts. A signature is made over the text without one.
 */
export function encodeManifest(manifest: Manifest, signature: Signature | null = null): string {
  const { source, stored, encryption, config } = manifest
  return pretty({
    version: manifest.version,
    deployment: manifest.deployment,
    run: manifest.run,
    runName: manifest.runName,
    backup: manifest.backup,
    job: manifest.job,
    organization: manifest.organization,
    app: manifest.app,
    slot: manifest.slot === null ? null : iso(manifest.slot),
    attempt: manifest.attempt,
    fence: manifest.fence,
    source: { type: source.type, name: source.name, facts: sorted(source.facts) },
    started: iso(manifest.started),
    finished: iso(manifest.finished),
    key: manifest.key,
    stored: { bytes: stored.bytes, sha256: stored.sha256 },
    layers: manifest.layers,
    encryption: encryption && encodeEncryption(encryption),
    config: { sha256: config.sha256, commit: config.commit },
    instance: manifest.instance,
    holdfast: manifest.holdfast,
    warnings: manifest.warnings,
    ...(signature ? { signature: { scheme: signature.scheme, value: signature.value } } : {}),
  })
}

/** JSON as a person reads it, with a newline at the end: the spelling that signatures are made over. */
export function pretty(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`
}

function encodeEncryption(encryption: ManifestEncryption): ManifestEncryption {
  switch (encryption.scheme) {
    case 'age':
      return { scheme: 'age', recipients: encryption.recipients }
    case 'age-passphrase':
      return { scheme: 'age-passphrase' }
    case 'cryptr':
      return { scheme: 'cryptr', keyId: encryption.keyId }
    default:
      return unreachable(encryption)
  }
}

function sorted(facts: SourceFacts): SourceFacts {
  return Object.fromEntries(Object.entries(facts).sort(([a], [b]) => byText(a, b)))
}
