import { createHash } from 'node:crypto'
import type { Transaction } from 'kysely'
import type { Applied } from '../core/model.ts'
import { type Engine, reading } from './engine.ts'
import type { Store } from './store.ts'
import type { Tables } from './tables.ts'
import type { Write } from './write.ts'

type Kind = 'targets' | 'jobs' | 'mark'

/** What was applied last. It is long where many jobs are, and read anew only when it changed. */
export function appliedMethods(
  engine: Engine,
  write: Write,
): Pick<Store, 'applied' | 'saveApplied'> {
  let known: { readonly mark: string; readonly applied: Applied } | null = null
  return {
    applied: () =>
      reading(engine, 'read what was applied', async (tx) => {
        const mark = await bodyOf(tx, 'mark')
        if (mark !== null && mark === known?.mark) return known.applied
        const [targets, jobs] = [await bodyOf(tx, 'targets'), await bodyOf(tx, 'jobs')]
        if (targets === null || jobs === null) return null
        const applied = {
          targets: JSON.parse(targets) as Applied['targets'],
          jobs: JSON.parse(jobs) as Applied['jobs'],
        }
        // One that a program before this one saved has no mark.
        known = mark === null ? null : { mark, applied }
        return applied
      }),
    saveApplied: (applied) =>
      write('save what was applied', async (tx) => {
        const [targets, jobs] = [JSON.stringify(applied.targets), JSON.stringify(applied.jobs)]
        const mark = createHash('sha256').update(targets).update(jobs).digest('hex')
        await engine.alone(tx, 'applied')
        await tx.deleteFrom('applied').execute()
        await tx
          .insertInto('applied')
          .values([
            { kind: 'targets', body: targets },
            { kind: 'jobs', body: jobs },
            { kind: 'mark', body: mark },
          ])
          .execute()
      }),
  }
}

/** The mark of what is applied; empty where nothing is, or no mark was made. */
export async function appliedMark(tx: Transaction<Tables>): Promise<string> {
  return (await bodyOf(tx, 'mark')) ?? ''
}

async function bodyOf(tx: Transaction<Tables>, kind: Kind): Promise<string | null> {
  const row = await tx
    .selectFrom('applied')
    .select('body')
    .where('kind', '=', kind)
    .executeTakeFirst()
  return row?.body ?? null
}
