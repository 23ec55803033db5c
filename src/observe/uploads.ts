import type { Instant, TargetId } from '../core/model.ts'
import type { Store } from '../state/store.ts'
import type { UploadLog } from '../targets/target.ts'

/** The uploads of a target that were begun and are not over, kept in the journal. */
export function uploadLog(target: TargetId, store: Store, now: () => Instant): UploadLog {
  const entryId = (id: string) => `upload ${target} ${id}`
  return {
    began: ({ id, key, token }) =>
      store.openJournal({
        kind: 'upload',
        id: entryId(id),
        openedAt: now(),
        target,
        key,
        token,
        upload: id,
      }),
    over: (id) => store.closeJournal(entryId(id)),
    async open() {
      const entries = await store.journal()
      return entries.flatMap((entry) =>
        entry.kind === 'upload' && entry.target === target
          ? [{ id: entry.upload, key: entry.key, token: entry.token }]
          : [],
      )
    },
  }
}
