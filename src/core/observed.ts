import type { AutoMade } from './auto-made.ts'
import type { ClockSkew } from './clock.ts'
import type { InstanceHolding, Pause } from './fleet.ts'
import type { Manifest } from './manifest.ts'
import type {
  Applied,
  Backup,
  BackupId,
  Bytes,
  Copy,
  InstanceId,
  Instant,
  Pin,
  Restore,
  Run,
  TargetId,
} from './model.ts'
import type { PostureSeen } from './posture.ts'
import type { Surroundings } from './surroundings.ts'

/** What is. "Could not look" (`unreachable`) and "did not look" (`unlisted`) differ from "nothing there". */
export interface Observed {
  /** Null: nothing was ever applied here. */
  readonly applied: Applied | null
  readonly history: History
  readonly listings: ReadonlyMap<TargetId, Listing>
  /** Of whole targets that were looked at, and of which something is expected. */
  readonly postures: ReadonlyMap<TargetId, PostureSeen>
  /** Instances whose life is proven: their attempts are under way, not abandoned. */
  readonly alive: ReadonlySet<InstanceId>
  /** True when the jobs' lease is ours: what of them looks half done is nobody's work of this moment. */
  readonly underLease?: boolean
  /** Our clock against the database's, where instances share one. */
  readonly clock?: ClockSkew | null
  /** All others that share the state, where several do and somebody looked. */
  readonly others?: readonly InstanceHolding[] | null
  /** What instances see beside their targets; nothing where nobody looked. */
  readonly surroundings?: readonly Surroundings[]
  /** What is remembered of jobs that were made by themselves, as the newest decision leaves it. */
  readonly autoMade?: readonly AutoMade[]
  /** What takes no slots until it is resumed. */
  readonly pauses: readonly Pause[]
  /** A confirmed `backup prune`: the guards that block a large deletion are off. */
  readonly pruneConfirmed: boolean
  /** What the environment asks to restore at boot, or null. */
  readonly restoreRequested: RestoreRequest | null
  /** Facts about this machine that become warnings: programs missing, devices shared, … */
  readonly warnings: readonly Warning[]
}

export interface RestoreRequest {
  /** Name of the variable that asks. */
  readonly variable: string
  readonly value: string
}

export interface Warning {
  /** Stable word: `unencrypted-off-host`, `no-copy-off-host`, `same-device`, `program-missing`, `client-too-old`, `source-unreachable`, … */
  readonly rule: string
  /** Job, target or file. */
  readonly subject: string
  readonly message: string
  readonly hint: string | null
}

export interface History {
  readonly runs: readonly Run[]
  /** `recent`: the newest of each source and whatever is open. `full`: all. In no promised order. */
  readonly depth: 'recent' | 'full'
  readonly backups: readonly Backup[]
  readonly copies: readonly Copy[]
  readonly restores: readonly Restore[]
}

/** What a target holds, as far as it was looked at. */
export type Listing =
  | {
      readonly kind: 'listed'
      /** Key prefixes that were listed; `['']` is everything. */
      readonly prefixes: readonly string[]
      readonly at: Instant
      /** By key. Finished objects: archives, manifests, pins and foreign ones. */
      readonly objects: ReadonlyMap<string, StoredObject>
      readonly unfinished: readonly UnfinishedObject[]
      /**
       * Manifests whose archive the history does not know as a complete copy of a finished backup,
       * by archive key: also those of attempts that are still open, which they may prove complete.
       */
      readonly manifests: ReadonlyMap<string, FoundManifest>
      readonly pins: readonly Pin[]
    }
  | { readonly kind: 'unreachable'; readonly error: string }
  | { readonly kind: 'unlisted' }

export interface StoredObject {
  readonly key: string
  readonly bytes: Bytes
  readonly modifiedAt: Instant
}

/** An upload or part file that never became an object. */
export interface UnfinishedObject {
  /** Key that it would have got. */
  readonly key: string
  /** The attempt that began it, as given to `put`; null where the place cannot tell. */
  readonly token: string | null
  /** What the place calls it, where that is more than its key and token. */
  readonly upload?: string
  readonly bytes: Bytes
}

/** A manifest read from a target, or why it does not count. */
export type FoundManifest =
  | { readonly kind: 'ours'; readonly manifest: Manifest }
  | { readonly kind: 'foreign'; readonly why: string }

export type { BackupId }
