import type { BackupId, Bytes, Instant, InstanceId, JobId, RunId } from './model.ts'

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
  /** `directory`, `sqlite`, `command`. */
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
