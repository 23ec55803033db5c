import type { SkipAction } from '../core/action.ts'
import type { Backup, Copy, Instant, Run } from '../core/model.ts'
import { iso } from '../lib/time.ts'
import type { BackupNotification, JobWords, SourceResult } from './notification.ts'

/** A run as far as it went. */
export interface RunNews {
  readonly deployment: string
  readonly job: JobWords
  readonly run: Run
  readonly backups: readonly Backup[]
  readonly copies: readonly Copy[]
  /** Why nothing was tried, for a run that was skipped. */
  readonly skip: SkipAction['because'] | null
}

/** The notification of `type` about a run, its words included. */
export function runNotification(
  type: BackupNotification['type'],
  outcome: RunNews,
): BackupNotification {
  const { deployment, job, run, backups } = outcome
  const sources = backups.map((backup) => sourceResult(backup, outcome.copies))
  const failed = backups.filter(({ status }) => status === 'failed' || status === 'skipped')
  return {
    type,
    title: titleOf(type, outcome),
    message: messageOf(type, outcome, failed),
    deployment,
    organization: job.organization,
    jobId: job.id,
    jobName: job.title,
    runId: run.id,
    runName: run.name,
    status: run.status,
    trigger: run.trigger,
    slot: isoOrNull(run.slot),
    startedAt: iso(run.startedAt),
    finishedAt: isoOrNull(run.finishedAt),
    failedCount: failed.length,
    totalCount: backups.length,
    totalSize: backups.reduce((sum, { storedBytes }) => sum + (storedBytes ?? 0), 0),
    errors: errorsOf(sources),
    sources,
    timestamp: iso(run.finishedAt ?? run.startedAt),
  }
}

function titleOf(type: BackupNotification['type'], { job, run }: RunNews): string {
  switch (type) {
    case 'backup.started':
      return `Backup started: ${job.title}`
    case 'backup.success':
      return `Backup successful: ${job.title}`
    case 'backup.recovered':
      return `Backup works again: ${job.title}`
    case 'backup.failed':
      return `Backup ${run.status === 'partial' ? 'incomplete' : 'failed'}: ${job.title}`
  }
}

function messageOf(
  type: BackupNotification['type'],
  { backups, copies, skip }: RunNews,
  failed: readonly Backup[],
): string {
  if (type === 'backup.started') return 'The backup has begun.'
  if (skip?.rule === 'no-target') return `Nothing was backed up: ${skip.why}.`
  const all = backups.length
  if (type !== 'backup.failed') return `${all} backup(s) completed for: ${names(backups)}`
  if (failed.length > 0) return `${failed.length} of ${all} backup(s) failed for: ${names(failed)}`
  const gone = copies.filter(({ status }) => status === 'failed')
  if (gone.length === 0) return 'The run failed before its first backup.'
  const targets = [...new Set(gone.map(({ target }) => target))].join(', ')
  return `${all} backup(s) completed, but not on: ${targets}`
}

function names(backups: readonly Backup[]): string {
  return backups.map(({ source }) => source).join(', ')
}

function sourceResult(backup: Backup, copies: readonly Copy[]): SourceResult {
  return {
    source: backup.source,
    backupId: backup.id,
    status: backup.status,
    attempt: backup.attempt,
    storedBytes: backup.storedBytes,
    contentBytes: backup.contentBytes,
    error: backup.error,
    warnings: backup.warnings,
    targets: copies
      .filter((copy) => copy.backup === backup.id)
      .map(({ target, status, bytes, error }) => ({ target, status, bytes, error })),
  }
}

function errorsOf(sources: readonly SourceResult[]): string | null {
  const errors = sources.flatMap(({ source, error, targets }) => [
    ...(error === null ? [] : [`${source}: ${error}`]),
    ...targets.flatMap((on) =>
      on.error === null ? [] : [`${source} on ${on.target}: ${on.error}`],
    ),
  ])
  return errors.length === 0 ? null : errors.join('; ')
}

function isoOrNull(at: Instant | null): string | null {
  return at === null ? null : iso(at)
}
