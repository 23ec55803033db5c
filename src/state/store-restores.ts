import { restoreRow } from './restore-rows.ts'
import type { Store } from './store.ts'
import { mustExist, type Write } from './write.ts'

type RestoreMethods = Pick<Store, 'openRestore' | 'closeRestore' | 'releaseRestore'>

/** Restores of a store. */
export function restoreMethods(write: Write): RestoreMethods {
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
  }
}
