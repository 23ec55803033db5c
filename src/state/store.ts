import type { Pause } from '../core/fleet.ts'
import type {
  Applied,
  Backup,
  BackupId,
  BackupStatus,
  Bytes,
  Copy,
  GroupId,
  InstanceId,
  Instant,
  JobId,
  Pin,
  Restore,
  RestoreId,
  Run,
  RunId,
  RunStatus,
  TargetId,
} from '../core/model.ts'
import type { History } from '../core/observed.ts'
import type { StateRow } from './exchange.ts'
import type { FleetStore } from './fleet.ts'

/**
 * What Holdfast remembers. The targets are the truth; losing this loses no backup.
 *
 * Every method is one transaction that is durable when it resolves. Throws `StateRefused` when the
 * state cannot be used.
 */
export interface Store extends FleetStore {
  /** Instants and sizes are as in the model; `recent` is enough for schedules, not for retention. */
  history(query: HistoryQuery): Promise<History>
  /**
   * What tells a loop that something may have changed, runs that ended after `since` among it; its
   * cost does not grow with the history.
   */
  pulse(since: Instant): Promise<Pulse>
  applied(): Promise<Applied | null>
  saveApplied(applied: Applied): Promise<void>
  /** Carries runs, backups, copies and restores of a job over to its new name. Groups keep theirs. */
  renameJob(from: JobId, to: JobId): Promise<void>

  openRun(run: Run): Promise<void>
  closeRun(run: RunId, status: RunStatus, finishedAt: Instant): Promise<void>

  /** `taken` when that slot of that source is pending, running or successful already. */
  openBackup(backup: Backup): Promise<'opened' | 'taken'>
  /** A backup that is `success` stays as it is. */
  closeBackup(backup: BackupId, end: BackupEnd): Promise<void>
  backup(backup: BackupId): Promise<Backup | null>

  /** Adds a copy, or replaces that of the same backup and target. */
  saveCopy(copy: Copy): Promise<void>
  copies(backup: BackupId): Promise<readonly Copy[]>
  /**
   * Of each group on each target, how the verify that was made last went, of whichever complete
   * copy; its cost goes with the number of complete copies.
   */
  verdicts(): Promise<readonly Verdict[]>
  /**
   * A found manifest with its run and copies becomes history, all in one. Doing so twice changes
   * nothing. A slot that another attempt holds stays with that one: this backup is then kept without
   * its slot, and a warning says so.
   */
  adopt(run: Run, backup: Backup, copy: Copy): Promise<void>

  /** Next number of that lease, larger than every one before. */
  takeFence(lease: string, instance: InstanceId): Promise<number>
  /** The newest number of that lease, or 0. */
  fenceOf(lease: string): Promise<number>

  /** Pins as the last listings told: a cache, the objects on the targets are the truth. */
  pins(): Promise<readonly Pin[]>
  /** Replaces what is known of that target's pins. */
  savePins(target: TargetId, pins: readonly Pin[]): Promise<void>

  openRestore(restore: Restore): Promise<void>
  closeRestore(restore: RestoreId, end: RestoreEnd): Promise<void>
  /** The baseline is complete: `previous` is gone. */
  releaseRestore(restore: RestoreId): Promise<void>

  /**
   * Intent rows: opened before the deed, closed after it, found again after a crash. To open what is
   * open already changes nothing.
   */
  openJournal(entry: JournalEntry): Promise<void>
  closeJournal(id: string): Promise<void>
  journal(): Promise<readonly JournalEntry[]>

  /** Doing so twice with one id changes nothing. */
  enqueue(message: OutboxMessage): Promise<void>
  /** Messages whose time has come, oldest first. */
  outbox(now: Instant): Promise<readonly OutboxMessage[]>
  /**
   * Saves the message unless somebody else has tried it meanwhile: it must have been tried `attempts`
   * times so far. Tells whether it was saved.
   */
  saveMessage(message: OutboxMessage, attempts: number): Promise<boolean>
  removeMessage(id: string): Promise<void>

  /** Small facts that outlive a process: `restore.once:<sha256>`, `notify.state:<job>`. */
  fact(key: string): Promise<string | null>
  saveFact(key: string, value: string | null): Promise<void>
  /** Those whose keys begin so, by key. */
  facts(prefix: string): Promise<ReadonlyMap<string, string>>

  /**
   * Forgets ended attempts and runs beyond the newest `keep` of each source and of each job. What has
   * a complete copy or one in the making stays, and what a restore goes back to.
   */
  trim(keep: number): Promise<void>

  /** Hands over every row as of one moment, a few at a time, after the version of its schema. */
  exportTo(take: StateTaker): Promise<void>
  /** Takes all of these rows, or none when they throw. Throws `StateRefused` unless the state is new. */
  importFrom(rows: AsyncIterable<StateRow>): Promise<void>

  /** Brings an older schema up to this program's; refuses one too far apart. Called once at open. */
  close(): Promise<void>
}

export interface Pulse {
  /** Another one whenever something else was applied; empty where nothing was. */
  readonly applied: string
  readonly pauses: readonly Pause[]
  readonly open: readonly OpenWork[]
  /** Runs that ended since, and restores of which something is still owed. */
  readonly ended: readonly { readonly id: string; readonly job: JobId }[]
}

export interface Verdict {
  readonly group: GroupId
  readonly target: TargetId
  readonly isWell: boolean
  readonly at: Instant
}

/** Something that somebody has begun and not ended. */
export interface OpenWork {
  readonly kind: 'run' | 'backup' | 'restore'
  readonly job: JobId | null
  readonly instance: InstanceId
}

/** Who takes a state that is exported. */
export interface StateTaker {
  head(schema: number): Promise<void>
  rows(rows: readonly StateRow[]): Promise<void>
}

export interface HistoryQuery {
  /**
   * `recent`: all that is running, pending or being written; of each job: the newest 20 runs; of
   * each (job, source): the newest 20 backups; of each (group, target): the newest complete copy and
   * the newest verified one, with their backups; restores that run, and those in place whose
   * baseline is owed. `full`: everything.
   */
  readonly depth: 'recent' | 'full'
  /** Only these jobs, or null for all. */
  readonly jobs: readonly JobId[] | null
  /** Whatever job has a complete copy in one of these groups is among them: one that was renamed. */
  readonly groups?: readonly GroupId[]
}

export interface BackupEnd {
  readonly status: Exclude<BackupStatus, 'pending' | 'running'>
  readonly finishedAt: Instant
  readonly storedBytes: Bytes | null
  readonly contentBytes: Bytes | null
  readonly error: string | null
  readonly warnings: readonly string[]
}

export interface RestoreEnd {
  readonly status: 'success' | 'failed'
  readonly finishedAt: Instant
  readonly error: string | null
  readonly previous: string | null
}

/** Something that must be finished or taken back after a crash. */
export type JournalEntry = { readonly id: string; readonly openedAt: Instant } & (
  | {
      readonly kind: 'swap'
      readonly restore: RestoreId
      readonly moves: readonly { readonly from: string; readonly to: string }[]
      readonly leftovers: readonly string[]
      readonly previous: string | null
    }
  | {
      readonly kind: 'delete'
      readonly target: TargetId
      readonly key: string
      readonly backup: BackupId
    }
  /** An upload that was begun on a target; its id there is that of the entry without the target. */
  | {
      readonly kind: 'upload'
      readonly target: TargetId
      readonly key: string
      readonly token: string
      readonly upload: string
    }
)

/** One notification for one channel, until it was delivered or given up. */
export interface OutboxMessage {
  readonly id: string
  readonly channel: string
  /** JSON document as the channel sends it. */
  readonly body: string
  readonly attempts: number
  readonly nextAt: Instant
  readonly createdAt: Instant
}
