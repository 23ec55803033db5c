import type { DesiredJob } from '../core/model.ts'

/** What somebody is told: the JSON document of a webhook (docs/reference/notifications.md). */
export type Notification = BackupNotification | OtherNotification

/** Of one run. */
export interface BackupNotification extends About {
  readonly type: 'backup.started' | 'backup.failed' | 'backup.success' | 'backup.recovered'
  readonly runId: string
  readonly runName: string | null
  /** `running success partial failed skipped` */
  readonly status: string
  readonly trigger: string
  /** ISO 8601, or null for a run on request. */
  readonly slot: string | null
  readonly startedAt: string
  readonly finishedAt: string | null
  /** Sources that were not backed up. */
  readonly failedCount: number
  readonly totalCount: number
  /** Stored bytes in all. */
  readonly totalSize: number
  /** `source: error; …`, or null. */
  readonly errors: string | null
  readonly sources: readonly SourceResult[]
}

export interface SourceResult {
  readonly source: string
  readonly backupId: string
  readonly status: string
  readonly attempt: number
  readonly storedBytes: number | null
  readonly contentBytes: number | null
  readonly error: string | null
  readonly warnings: readonly string[]
  readonly targets: readonly {
    readonly target: string
    readonly status: string
    readonly bytes: number | null
    readonly error: string | null
  }[]
}

/** Of something that happened to an archive or a restore. */
export interface OtherNotification extends About {
  readonly type:
    | 'verify.failed'
    | 'prune.blocked'
    | 'restore.done'
    | 'restore.failed'
    | 'restore.stranded'
  readonly source: string | null
  readonly target: string | null
  readonly backupId: string | null
  /** Key of the archive. */
  readonly key: string | null
  readonly error: string | null
}

interface About {
  readonly title: string
  readonly message: string
  readonly deployment: string
  readonly organization: string | null
  readonly jobId: string | null
  readonly jobName: string | null
  /** ISO 8601: when it happened, not when it was sent. */
  readonly timestamp: string
}

/** The job that a notification is about. */
export type JobWords = Pick<DesiredJob, 'id' | 'title' | 'organization'>

/** One message on its way to one channel. */
export interface Outgoing {
  /** The same for the same news to the same channel, so that telling it twice tells it once. */
  readonly id: string
  readonly channel: string
  readonly notification: Notification
}
