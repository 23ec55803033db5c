import { sql, type Transaction } from 'kysely'
import type { Store } from './store.ts'
import type { Tables } from './tables.ts'
import type { Write } from './write.ts'

/** Rows in one transaction: others wait for it. What is left is found the next time. */
const AT_ONCE = 5000

/** Forgetting what nobody asks for any more. */
export function trimMethods(write: Write): Pick<Store, 'trim'> {
  return {
    trim: (keep) => write('trim the history', (tx) => trim(tx, keep)),
  }
}

async function trim(tx: Transaction<Tables>, keep: number): Promise<void> {
  const { rows } = await sql<{ id: string }>`
    select id from (
      select id, row_number() over (
        partition by job, source order by started_at desc, id desc) as place
      from backups where status not in ('pending', 'running')) as ranked
    where place > ${keep}
      and not exists (
        select 1 from copies where backup = ranked.id and status in ('complete', 'writing'))
      and not exists (select 1 from restores where released = 0 and backup = ranked.id)
    limit ${sql.lit(AT_ONCE)}`.execute(tx)
  const ids = rows.map(({ id }) => id)
  if (ids.length > 0) {
    // Looked at once more, row by row: another instance may find one complete at this moment.
    await tx
      .deleteFrom('copies')
      .where('backup', 'in', ids)
      .where('status', 'not in', ['complete', 'writing'])
      .execute()
    await tx
      .deleteFrom('backups')
      .where('id', 'in', ids)
      .where(({ not, exists, selectFrom }) =>
        not(
          exists(
            selectFrom('copies')
              .select('copies.backup')
              .whereRef('copies.backup', '=', 'backups.id'),
          ),
        ),
      )
      .execute()
  }
  await sql`
    delete from runs where id in (
      select id from (
        select id, row_number() over (partition by job order by started_at desc, id desc) as place
        from runs where status <> 'running') as ranked
      where place > ${keep} and not exists (select 1 from backups where run = ranked.id)
      limit ${sql.lit(AT_ONCE)})`.execute(tx)
}
