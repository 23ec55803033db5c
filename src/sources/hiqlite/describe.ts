import { join } from 'node:path'
import type { Instant } from '../../core/model.ts'
import { formatBytes } from '../../lib/size.ts'
import { iso } from '../../lib/time.ts'
import { usersOf } from '../../platform/sqlite/in-use.ts'
import { entryAt, realFile } from '../../platform/sqlite/places.ts'
import type { Replacement, RestoreTask } from '../source.ts'
import { handOver } from './hand-over.ts'
import { layoutOf, STATE } from './places.ts'
import type { HiqliteSettings } from './settings.ts'

/** What a restore into the node would replace. Changes nothing, opens nothing. */
export async function describeNode(
  settings: HiqliteSettings,
  task: RestoreTask,
  signal: AbortSignal,
): Promise<Replacement> {
  if (task.to !== null) {
    const to = await realFile(task.to)
    return { to, now: (await entryAt(to)) ? 'something' : 'nothing', remarks: [] }
  }
  const layout = await layoutOf(settings)
  const { root, database } = layout
  const to = join(root, layout.arrival)
  const there = await entryAt(database)
  const { users, unseen } = await usersOf(database, signal)
  const locked = (await entryAt(join(root, STATE, 'lock'))) !== null
  return {
    to,
    now: there?.isFile()
      ? `node ${settings.nodeId} with a database of ${formatBytes(there.size)}, last changed ${iso(Math.round(there.mtimeMs) as Instant)}`
      : 'a node without a database',
    remarks: [
      ...users.map((user) => `in use by ${user}`),
      ...(locked && users.length === 0 ? [KILLED] : []),
      ...unseen,
      ...handOver(settings, to),
    ],
  }
}

/** Hiqlite would answer such a lock by throwing its database away. */
const KILLED = 'its lock file is there: the node runs, or was killed; the lock is moved aside'
