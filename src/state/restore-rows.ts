import type { Restore } from '../core/model.ts'
import type { RestoreRow } from './tables.ts'

/** A row as a restore. The schema vouches for its types. */
export function restoreOf(row: RestoreRow): Restore {
  return {
    id: row.id as Restore['id'],
    reference: row.reference,
    job: row.job as Restore['job'],
    source: row.source,
    group: row.group_id as Restore['group'],
    backup: row.backup as Restore['backup'],
    target: row.target as Restore['target'],
    key: row.key,
    sha256: row.sha256,
    to: row.restored_to,
    inPlace: row.in_place === 1,
    status: row.status as Restore['status'],
    by: row.requested_by as Restore['by'],
    instance: row.instance as Restore['instance'],
    home: row.home,
    previous: row.previous,
    startedAt: row.started_at as Restore['startedAt'],
    finishedAt: row.finished_at as Restore['finishedAt'],
    error: row.error,
    released: row.released === 1,
  }
}

/** A restore as its row. */
export function restoreRow(restore: Restore): RestoreRow {
  return {
    id: restore.id,
    reference: restore.reference,
    job: restore.job,
    source: restore.source,
    group_id: restore.group,
    backup: restore.backup,
    target: restore.target,
    key: restore.key,
    sha256: restore.sha256,
    restored_to: restore.to,
    in_place: restore.inPlace ? 1 : 0,
    status: restore.status,
    requested_by: restore.by,
    instance: restore.instance,
    home: restore.home,
    previous: restore.previous,
    started_at: restore.startedAt,
    finished_at: restore.finishedAt,
    error: restore.error,
    released: restore.released ? 1 : 0,
  }
}
