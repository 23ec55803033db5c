import { sql, type Transaction } from 'kysely'
import type { InstanceId } from '../core/model.ts'
import type { Tables } from './tables.ts'

/** The next number of that lease. Numbers outlive their leases, so that they only grow. */
export async function nextFence(
  tx: Transaction<Tables>,
  lease: string,
  instance: InstanceId,
): Promise<number> {
  const { number } = await tx
    .insertInto('fences')
    .values({ lease, number: 1, instance })
    .onConflict((on) =>
      on.column('lease').doUpdateSet({ number: sql`fences.number + 1`, instance }),
    )
    .returning('number')
    .executeTakeFirstOrThrow()
  return number
}
