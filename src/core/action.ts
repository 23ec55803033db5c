import type { AutoEnd } from './auto-made.ts'
import type { Coverage } from './coverage.ts'
import type { Manifest } from './manifest.ts'
import type {
  BackupId,
  Bytes,
  Copy,
  CopyStatus,
  Facts,
  GroupId,
  Instant,
  JobId,
  Millis,
  Pin,
  Restore,
  RestoreId,
  TargetId,
  Trigger,
} from './model.ts'
import type { RestoreRequest, UnfinishedObject, Warning } from './observed.ts'
import type { Setting } from './posture.ts'

/** One step. Every step says why: a plan nobody can question is a plan nobody should run. */
export type Action =
  | RestoreAction
  | TargetAction
  | PostureAction
  | JobAction
  | BackupAction
  | SkipAction
  | AbandonAction
  | AdoptAction
  | MissingAction
  | DebrisAction
  | CopyAction
  | VerifyAction
  | PruneAction
  | PruneBlockedAction
  | ReleaseAction

export type ActionKind = Action['kind']

/** What the environment asks to restore, before anything else happens. */
export interface RestoreAction {
  readonly kind: 'restore'
  /** The value of the variable. */
  readonly subject: string
  readonly request: RestoreRequest
  readonly because: { readonly rule: 'restore-requested'; readonly variable: string }
}

export type TargetAction = { readonly subject: TargetId } & (
  | {
      readonly kind: 'target.create'
      readonly because: { readonly rule: 'declared'; readonly facts: Facts }
    }
  | {
      readonly kind: 'target.update'
      readonly because: { readonly rule: 'changed'; readonly changes: readonly Change[] }
    }
  | {
      readonly kind: 'target.remove'
      /** What stays where: copies that remain on it and are neither listed nor pruned any more. */
      readonly because: { readonly rule: 'not-declared'; readonly copies: number }
    }
)

/** A setting of a target's place that is not as the file expects. */
export interface PostureAction {
  readonly kind: 'posture'
  readonly subject: TargetId
  /** Whether `apply` sets it; else it stays as it is until a person does what `hint` says. */
  readonly settable: boolean
  readonly hint: string | null
  readonly because: {
    readonly rule: 'expected'
    readonly setting: Setting
    readonly expected: string
    readonly found: string
  }
}

export type JobAction = { readonly subject: JobId } & (
  | {
      readonly kind: 'job.create'
      readonly because: {
        readonly rule: 'declared'
        readonly facts: Facts
        readonly nextSlot: Instant | null
      }
    }
  | {
      readonly kind: 'job.create'
      /** An app keeps data and has no job. */
      readonly because: {
        readonly rule: 'auto-created'
        readonly app: string
        readonly instance: string
        readonly facts: Facts
        readonly nextSlot: Instant | null
      }
    }
  | {
      readonly kind: 'job.update'
      readonly because:
        | { readonly rule: 'changed'; readonly changes: readonly Change[] }
        | { readonly rule: 'renamed'; readonly from: JobId }
    }
  | {
      readonly kind: 'job.remove'
      readonly because:
        | { readonly rule: 'not-declared'; readonly copies: number }
        /** A job that was made by itself, and is made no more. */
        | {
            readonly rule: 'auto-ended'
            readonly app: string
            readonly end: AutoEnd
            readonly copies: number
          }
    }
)

export interface Change {
  readonly key: string
  readonly from: string | null
  readonly to: string | null
}

/** Archive sources of a job, in the order declared, as one run. */
export interface BackupAction {
  readonly kind: 'backup'
  readonly subject: JobId
  /** Names of the sources owed: all of the job, or those that failed before. */
  readonly sources: readonly string[]
  readonly slot: Instant | null
  /** Number of this attempt, from 1; the same for all of its sources. */
  readonly attempt: number
  readonly trigger: Trigger
  readonly because:
    | { readonly rule: 'slot-due'; readonly slot: Instant }
    /** `missed`: the slots before this one that nobody recorded, counted up to `MISSED_LIMIT`. */
    | { readonly rule: 'missed-slots'; readonly slot: Instant; readonly missed: number }
    | {
        readonly rule: 'retry'
        readonly slot: Instant
        readonly attempt: number
        readonly of: number
        readonly error: string
      }
    | { readonly rule: 'first-run' }
    | { readonly rule: 'after-restore'; readonly restore: RestoreId }
    | { readonly rule: 'requested'; readonly by: string }
}

/** A slot that is recorded as skipped, because it cannot or must not run. */
export interface SkipAction {
  readonly kind: 'skip'
  readonly subject: JobId
  readonly slot: Instant
  readonly because:
    | { readonly rule: 'still-running'; readonly since: Instant }
    | { readonly rule: 'no-target'; readonly why: string }
    /** A Vardo on the same Redis has fired it. Never planned: it shows when the backup is to begin. */
    | { readonly rule: 'taken-by-vardo' }
}

/** An attempt whose owner is gone and whose manifest does not prove it complete. */
export interface AbandonAction {
  readonly kind: 'abandon'
  readonly subject: JobId
  readonly backup: BackupId
  readonly because: { readonly rule: 'owner-gone'; readonly instance: string }
}

/** A manifest that the history does not know, or whose attempt never got to say so. */
export interface AdoptAction {
  readonly kind: 'adopt'
  readonly subject: TargetId
  readonly key: string
  readonly manifest: Manifest
  readonly because: /** The history knows nothing of the attempt. */
    | { readonly rule: 'manifest-found' }
    /** As many targets as the job requires hold the archive: the attempt was a success. */
    | { readonly rule: 'proven-complete'; readonly backup: BackupId }
    /** The attempt's own outcome stands, a failure below its quorum too; only the copy counts again. */
    | { readonly rule: 'copy-found'; readonly backup: BackupId }
}

export interface MissingAction {
  readonly kind: 'missing'
  readonly subject: TargetId
  readonly copy: Copy
  readonly because:
    | { readonly rule: 'archive-gone' }
    | { readonly rule: 'manifest-gone' }
    | { readonly rule: 'size-differs'; readonly listed: Bytes; readonly expected: Bytes }
}

export interface DebrisAction {
  readonly kind: 'debris'
  readonly subject: TargetId
  readonly backup: BackupId
  /** An unfinished object, or a finished archive that never got its manifest. */
  readonly object:
    | { readonly kind: 'unfinished'; readonly unfinished: UnfinishedObject }
    | { readonly kind: 'archive'; readonly key: string; readonly bytes: Bytes }
  readonly because: { readonly rule: 'attempt-over'; readonly status: string }
}

/** A copy that a target lacks, made from a healthy one. */
export interface CopyAction {
  readonly kind: 'copy'
  readonly subject: JobId
  readonly target: TargetId
  readonly from: Copy
  readonly because: /** It was to be there, and failed or went missing. */
    | { readonly rule: 'copy-lost'; readonly status: CopyStatus }
    /** The newest backup was never written there. */
    | { readonly rule: 'copy-lagging' }
}

export interface VerifyAction {
  readonly kind: 'verify'
  readonly subject: JobId
  readonly copy: Copy
  readonly because:
    | { readonly rule: 'never-verified' }
    | { readonly rule: 'verified-long-ago'; readonly verifiedAt: Instant }
}

/** Deletions of one group on one target. */
export interface PruneAction {
  readonly kind: 'prune'
  readonly subject: JobId
  readonly target: TargetId
  readonly group: GroupId
  readonly drop: readonly Copy[]
  readonly keep: readonly Kept[]
  readonly because:
    | { readonly rule: 'outside-retention'; readonly kept: number; readonly policy: string }
    | { readonly rule: 'older-than'; readonly before: Instant }
}

/** What retention would delete, and why it may not. */
export interface PruneBlockedAction {
  readonly kind: 'prune-blocked'
  readonly subject: JobId
  readonly target: TargetId
  readonly group: GroupId
  readonly would: readonly Copy[]
  readonly keep: readonly Kept[]
  readonly because:
    | { readonly rule: 'too-many'; readonly share: number; readonly limit: number }
    | { readonly rule: 'newest-attempt-failed'; readonly backup: BackupId }
    | { readonly rule: 'shrunk'; readonly bytes: Bytes; readonly median: Bytes }
    /** A clock contradicts ours by that much: no age can be trusted. */
    | { readonly rule: 'clock-skew'; readonly place: string; readonly by: Millis }
}

/** An in-place restore that failed, or whose baseline is complete: its pins go, and the data from before it. */
export interface ReleaseAction {
  readonly kind: 'release'
  readonly subject: JobId
  readonly restore: Restore
  readonly because:
    | { readonly rule: 'baseline-complete'; readonly backup: BackupId }
    /** Nothing was replaced. */
    | { readonly rule: 'restore-failed' }
}

/** A copy that stays, and every rule that keeps it: `daily-3`, `last-1`, `newest-verified`, `pinned`. */
export interface Kept {
  readonly copy: Copy
  readonly reasons: readonly string[]
}

export interface Plan {
  readonly actions: readonly Action[]
  readonly warnings: readonly Warning[]
  /** Every copy that stays, by target and group, with its reasons; empty where nothing was listed. */
  readonly kept: readonly Kept[]
  /** Absent: nobody looks for apps. */
  readonly coverage?: Coverage
}

export type { Pin }
