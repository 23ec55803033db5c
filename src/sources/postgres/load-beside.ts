import { messageOf } from '../../lib/errors.ts'
import { tell } from './ask.ts'
import type { Arrived } from './content.ts'
import { isFull, loadFresh } from './load.ts'
import type { Order } from './staging.ts'
import { loadTable } from './table.ts'

/**
 * Loads a dump, or one table of it, into the fresh database beside; resolves to warnings. Throws as
 * loading does. A disk that it has filled has room again by then.
 */
export async function loadBeside(
  order: Order,
  arrived: Arrived,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { client, settings, staged, task } = order
  try {
    if (task.only !== null) return (await loadTable(arrived, task.only, order, signal)).warnings
    await loadFresh(arrived, { client, database: staged, jobs: settings.jobs }, signal)
    return []
  } catch (error) {
    if (isFull(messageOf(error))) await empty(order)
    throw error
  }
}

/**
 * A server removes a database only after a checkpoint, and one on a full disk may panic over that and
 * not come up again, with the live data in it. The files of a table are cut at once.
 */
async function empty({ settings, staged }: Order): Promise<void> {
  const { signal } = new AbortController()
  // What fails here fails again as the database is removed, where it is told.
  await tell(settings.server, { database: staged, sql: DROP_LARGEST, signal }).catch(() => {})
}

/** Those of an extension go with that alone. */
const DROP_LARGEST = `select format('drop table if exists %I.%I cascade', n.nspname, c.relname)
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind = 'r' and c.oid >= 16384 and not exists (
    select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
  order by pg_total_relation_size(c.oid) desc limit 100 \\gexec`
