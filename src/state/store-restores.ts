import { type Engine, reading } from './engine.ts'
import { restoreRow } from './restore-rows.ts'
import type { JournalEntry, Store } from './store.ts'
import { mustExist, type Write } from './write.ts'

type RestoreMethods = Pick<
  Store,
  | 'openRestore'
  | 'closeRestore'
  | 'releaseRestore'
  | 'openJournal'
  | 'saveJournal'
  | 'closeJournal'
  | 'journal'
>

/** Restores and the journal of a store. */
export function restoreMethods(engine: Engine, write: Write): RestoreMethods {
  return {
    openRestore: (restore) =>
      write(`open restore ${restore.id}`, async (tx) => {
        await tx.insertInto('restores').values(restoreRow(restore)).execute()
      }),
    closeRestore: (restore, end) =>
      write(`close restore ${restore}`, async (tx) => {
        const { numUpdatedRows } = await tx
          .updateTable('restores')
          .set({
            status: end.status,
            finished_at: end.finishedAt,
            error: end.error,
            previous: end.previous,
          })
          .where('id', '=', restore)
          .executeTakeFirst()
        mustExist(`restore ${restore}`, numUpdatedRows)
      }),
    releaseRestore: (restore) =>
      write(`release restore ${restore}`, async (tx) => {
        const { numUpdatedRows } = await tx
          .updateTable('restores')
          .set({ released: 1, previous: null })
          .where('id', '=', restore)
          .executeTakeFirst()
        mustExist(`restore ${restore}`, numUpdatedRows)
      }),

    openJournal: (entry) =>
      write(`open journal entry ${entry.id}`, async (tx) => {
        await tx.insertInto('journal').values(journalRow(entry)).execute()
      }),
    saveJournal: (entry) =>
      write(`save journal entry ${entry.id}`, async (tx) => {
        const { numUpdatedRows } = await tx
          .updateTable('journal')
          .set(journalRow(entry))
          .where('id', '=', entry.id)
          .executeTakeFirst()
        mustExist(`journal entry ${entry.id}`, numUpdatedRows)
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
