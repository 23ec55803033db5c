import { sql } from 'kysely'
import type { InstanceId, JobId } from '../core/model.ts'
import { type Engine, reading } from './engine.ts'
import type { OpenWork, Store } from './store.ts'
import { appliedMark } from './store-applied.ts'
import { pausesIn } from './store-fleet.ts'

type OpenRow = { readonly kind: string; readonly job: string | null; readonly instance: string }

/** What a loop asks at each pass, along indexes of what is open: no job that rests costs anything. */
export function pulseMethods(engine: Engine): Pick<Store, 'pulse'> {
  return {
    pulse: (since) =>
      reading(engine, 'look for changes', async (tx) => {
        const { rows } = await sql<OpenRow>`
          select distinct 'run' as kind, job, instance from runs where status = 'running'
          union select 'backup', job, instance from backups where status in ('pending', 'running')
          union select 'restore', job, instance from restores where released = 0 and status = 'running'
        `.execute(tx)
        const open = rows.map(({ kind, job, instance }) => ({
          kind: kind as OpenWork['kind'],
          job: job as JobId | null,
          instance: instance as InstanceId,
        }))
        const ended = await sql<{ id: string; job: JobId }>`
          select id, job from runs where finished_at > ${since}
          union all select id, job from restores
          where released = 0 and status <> 'running' and job is not null
        `.execute(tx)
        return {
          applied: await appliedMark(tx),
          pauses: await pausesIn(tx),
          open,
          ended: ended.rows,
        }
      }),
  }
}
