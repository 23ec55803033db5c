import { sql } from 'kysely'
import { type Engine, reading } from './engine.ts'
import type { Store } from './store.ts'
import type { Write } from './write.ts'

type FactMethods = Pick<Store, 'fact' | 'saveFact' | 'facts'>

/** The facts of a store. */
export function factMethods(engine: Engine, write: Write): FactMethods {
  return {
    fact: (key) =>
      reading(engine, `read the fact ${key}`, async (tx) => {
        const row = await tx
          .selectFrom('facts')
          .select('value')
          .where('key', '=', key)
          .executeTakeFirst()
        return row?.value ?? null
      }),
    saveFact: (key, value) =>
      write(`save the fact ${key}`, async (tx) => {
        if (value === null) await tx.deleteFrom('facts').where('key', '=', key).execute()
        else {
          await tx
            .insertInto('facts')
            .values({ key, value })
            .onConflict((on) => on.column('key').doUpdateSet({ value }))
            .execute()
        }
      }),
    facts: (prefix) =>
      reading(engine, `read the facts ${prefix}…`, async (tx) => {
        const begins = sql<boolean>`substr(key, 1, ${prefix.length}) = ${prefix}`
        const rows = await tx.selectFrom('facts').selectAll().where(begins).execute()
        return new Map(rows.map(({ key, value }) => [key, value]))
      }),
  }
}
