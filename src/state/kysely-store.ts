import type { Pin, TargetId } from '../core/model.ts'
import { type Engine, reading } from './engine.ts'
import { nextFence } from './fences.ts'
import { readHistory } from './history.ts'
import type { Store } from './store.ts'
import { appliedMethods } from './store-applied.ts'
import { backupMethods } from './store-backups.ts'
import { exchangeMethods } from './store-exchange.ts'
import { factMethods } from './store-facts.ts'
import { fleetMethods } from './store-fleet.ts'
import { journalMethods } from './store-journal.ts'
import { messageMethods } from './store-messages.ts'
import { pulseMethods } from './store-pulse.ts'
import { restoreMethods } from './store-restores.ts'
import { trimMethods } from './store-trim.ts'
import { verdictMethods } from './store-verdicts.ts'
import { guardedWrite, type Write } from './write.ts'

/**
 * The store on an open, migrated database. `program` is the schema version that it works with: each
 * write looks first whether another program has moved the state too far on meanwhile.
 */
export function kyselyStore(engine: Engine, program: number): Store {
  const write = guardedWrite(engine, program)
  return {
    history: (query) => reading(engine, 'read the history', (tx) => readHistory(engine, tx, query)),
    ...appliedMethods(engine, write),
    ...backupMethods(engine, write),
    ...restoreMethods(write),
    ...journalMethods(engine, write),
    ...factMethods(engine, write),
    ...messageMethods(engine, write),
    ...trimMethods(write),
    ...pinMethods(engine, write),
    ...fleetMethods(engine, write),
    ...pulseMethods(engine),
    ...verdictMethods(engine),
    ...exchangeMethods(engine, write),

    takeFence: (lease, instance) =>
      write(`take the fence of ${lease}`, (tx) => nextFence(tx, lease, instance)),
    fenceOf: (lease) =>
      reading(engine, `read the fence of ${lease}`, async (tx) => {
        const row = await tx
          .selectFrom('fences')
          .select('number')
          .where('lease', '=', lease)
          .executeTakeFirst()
        return row?.number ?? 0
      }),

    close: () => engine.close(),
  }
}

function pinMethods(engine: Engine, write: Write): Pick<Store, 'pins' | 'savePins'> {
  return {
    pins: () =>
      reading(engine, 'read the pins', async (tx) => {
        const rows = await tx
          .selectFrom('pins')
          .selectAll()
          .orderBy('target')
          .orderBy('key')
          .execute()
        return rows.map((row) => ({
          target: row.target as TargetId,
          key: row.key,
          reason: row.reason,
          at: row.pinned_at as Pin['at'],
        }))
      }),
    savePins: (target, pins) =>
      write(`save the pins of ${target}`, async (tx) => {
        await engine.alone(tx, `pins ${target}`)
        await tx.deleteFrom('pins').where('target', '=', target).execute()
        for (const { key, reason, at } of pins) {
          await tx.insertInto('pins').values({ target, key, reason, pinned_at: at }).execute()
        }
      }),
  }
}
