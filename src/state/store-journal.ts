import { type Engine, reading } from './engine.ts'
import type { JournalEntry, Store } from './store.ts'
import type { Write } from './write.ts'

type JournalMethods = Pick<Store, 'openJournal' | 'closeJournal' | 'journal'>

/** The journal of a store. */
export function journalMethods(engine: Engine, write: Write): JournalMethods {
  return {
    openJournal: (entry) =>
      write(`open journal entry ${entry.id}`, async (tx) => {
        await tx
          .insertInto('journal')
          .values(journalRow(entry))
          .onConflict((on) => on.column('id').doNothing())
          .execute()
      }),
    closeJournal: (id) =>
      write(`close journal entry ${id}`, async (tx) => {
        await tx.deleteFrom('journal').where('id', '=', id).execute()
      }),
    journal: () =>
      reading(engine, 'read the journal', async (tx) => {
        const rows = await tx
          .selectFrom('journal')
          .select('body')
          .orderBy('opened_at')
          .orderBy('id')
          .execute()
        return rows.map(({ body }) => JSON.parse(body) as JournalEntry)
      }),
  }
}

function journalRow(entry: JournalEntry) {
  return { id: entry.id, opened_at: entry.openedAt, body: JSON.stringify(entry) }
}
