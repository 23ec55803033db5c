import type { JobId, Run } from '../../src/core/model.ts'
import { type RunNews, runNotification } from '../../src/notify/run-notification.ts'
import { backupOf, copyOf, minute, runOf } from '../contract/history-fixtures.ts'

/** News of a run of the job `shop` that ended with `status`. */
export function newsOf(status: Run['status'], more: Partial<RunNews> = {}): RunNews {
  const run = runOf('run-1', 'shop', 0, { status, finishedAt: minute(2) })
  const bad = status === 'failed'
  const data = backupOf(run, {
    status: bad ? 'failed' : 'success',
    error: bad ? 'disk on fire' : null,
    storedBytes: bad ? null : (1000 as never),
  })
  const db = backupOf(run, { source: 'db', status: 'success', storedBytes: 24 as never })
  return {
    deployment: 'default',
    job: { id: 'shop' as JobId, title: 'The shop', organization: null },
    run,
    backups: status === 'skipped' ? [] : [data, db],
    copies: bad ? [copyOf(db, 'nas')] : [copyOf(data, 'nas'), copyOf(db, 'nas')],
    skip: null,
    ...more,
  }
}

/** The message of a run that failed. */
export const failed = runNotification('backup.failed', newsOf('failed'))
/** The message of a run that succeeded. */
export const succeeded = runNotification('backup.success', newsOf('success'))
/** The message of a run that began. */
export const started = runNotification('backup.started', newsOf('running'))
