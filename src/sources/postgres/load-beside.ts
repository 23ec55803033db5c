import { messageOf } from '../../lib/errors.ts'
import { applyArchived } from './archived-properties.ts'
import { tell } from './ask.ts'
import type { Arrived } from './content.ts'
import { isFull, loadFresh } from './load.ts'
import { copyProperties } from './properties.ts'
import type { Order } from './staging.ts'
import { loadTable } from './table.ts'

/**
 * Gives the fresh database beside all that it is to hold: a dump or one table of it, and properties;
 * resolves to warnings. Throws as loading does. A disk that it has filled has room again by then.
 */
export async function fillBeside(
  order: Order,
  arrived: Arrived,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { client, live, settings, staged, task } = order
  const { server } = settings
  try {
    const warnings = await loadBeside(order, arrived, signal)
    const hasOwn = live !== null && (await copyProperties(server, live, staged, signal))
    // One that nobody has given anything yet was made a moment ago, for this to come back into.
    if (hasOwn || task.to !== null || task.only !== null) return warnings
    return [...warnings, ...(await applyArchived({ server, client }, arrived, staged, signal))]
  } catch (error) {
    if (isFull(messageOf(error))) await dropLargest(order)
    throw error
  }
}

async function loadBeside(
  order: Order,
  arrived: Arrived,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { client, settings, staged, task } = order
  if (task.only !== null) return (await loadTable(arrived, task.only, order, signal)).warnings
  await loadFresh(arrived, { client, database: staged, jobs: settings.jobs }, signal)
  return []
}

/**
 * A server removes a database only after a checkpoint, and one on a full disk may panic over that and
 * not come up again, with the live data in it. The files of a table are cut at once; large objects
 * share theirs, and are left to the database.
 */
async function dropLargest({ settings, staged }: Order): Promise<void> {
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
