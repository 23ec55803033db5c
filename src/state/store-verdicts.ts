import { sql } from 'kysely'
import type { GroupId, Instant, TargetId } from '../core/model.ts'
import { type Engine, reading } from './engine.ts'
import type { Store } from './store.ts'

interface VerdictRow {
  readonly group_id: string
  readonly target: string
  readonly verify: string
  readonly at: number
}

/** What the verifies came to. It reads every complete copy: to be asked once in a process. */
export function verdictMethods(engine: Engine): Pick<Store, 'verdicts'> {
  return {
    verdicts: () =>
      reading(engine, 'read what was verified', async (tx) => {
        const { rows } = await sql<VerdictRow>`
          select group_id, target, verify, at from (
            select group_id, target, verify, coalesce(verified_at, taken_at) as at,
              row_number() over (
                partition by group_id, target
                order by coalesce(verified_at, taken_at) desc, taken_at desc) as place
            from copies where status = 'complete' and verify <> 'never') as verified
          where place = 1 order by group_id, target`.execute(tx)
        return rows.map(({ group_id, target, verify, at }) => ({
          group: group_id as GroupId,
          target: target as TargetId,
          isWell: verify === 'ok',
          at: at as Instant,
        }))
      }),
  }
}
