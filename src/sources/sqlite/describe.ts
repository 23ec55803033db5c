import type { Instant } from '../../core/model.ts'
import { formatBytes } from '../../lib/size.ts'
import { iso } from '../../lib/time.ts'
import { usersOf } from '../../platform/sqlite/in-use.ts'
import { entryAt, realFile } from '../../platform/sqlite/places.ts'
import type { Replacement, RestoreTask } from '../source.ts'
import type { SqliteSettings } from './settings.ts'

/** What a restore of the database would replace. Changes nothing, opens nothing. */
export async function describeDatabase(
  settings: SqliteSettings,
  task: RestoreTask,
  signal: AbortSignal,
): Promise<Replacement> {
  const to = await realFile(task.to ?? settings.path)
  const there = await entryAt(to)
  if (!there) return { to, now: 'nothing', remarks: [] }
  if (!there.isFile()) return { to, now: 'something that is not a file', remarks: [] }
  const changed = iso(Math.round(there.mtimeMs) as Instant)
  const now = `SQLite database of ${formatBytes(there.size)}, last changed ${changed}`
  if (task.to !== null) return { to, now, remarks: [] }
  const wal = await entryAt(`${to}-wal`)
  const { users, unseen } = await usersOf(to, signal)
  return {
    to,
    now: wal && wal.size > 0 ? `${now}, with a WAL of ${formatBytes(wal.size)}` : now,
    remarks: [...users.map((user) => `in use by ${user}`), ...unseen],
  }
}
