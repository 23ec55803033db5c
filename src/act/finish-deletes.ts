import { manifestKey } from '../core/archive-key.ts'
import type { Copy, JobId } from '../core/model.ts'
import { groupedBy } from '../core/order.ts'
import { forEachConcurrent } from '../lib/concurrent.ts'
import { openTarget, type World } from '../observe/world.ts'
import { type DeleteEntry, noteRetained, removeAll } from './prune.ts'

/** Looks under way at once. */
const LOOKS_AT_ONCE = 16

/** Deletions that were begun and not brought to their end, by the job whose copies they are. */
export async function openDeletes(
  world: World,
): Promise<ReadonlyMap<JobId, readonly DeleteEntry[]>> {
  const entries = (await world.store.journal()).filter((entry) => entry.kind === 'delete')
  const found = new Map<JobId, DeleteEntry[]>()
  for (const entry of entries) {
    const backup = await world.store.backup(entry.backup)
    if (backup === null) await world.store.closeJournal(entry.id)
    else found.set(backup.job, [...(found.get(backup.job) ?? []), entry])
  }
  return found
}

/**
 * Finishes deletions of one job that a crash or a failure cut short, under that job's lease: nobody
 * else is at them then. Once a manifest is gone only onward is safe; while it is there nothing was
 * done, and the next plan decides anew: the copy may have been pinned since.
 */
export async function finishDeletes(
  entries: readonly DeleteEntry[],
  world: World,
  signal: AbortSignal,
): Promise<void> {
  for (const [id, ofTarget] of groupedBy(entries, (entry) => entry.target)) {
    const target = await openTarget(world, id)
    const begun: { readonly entry: DeleteEntry; readonly copy: Copy }[] = []
    await forEachConcurrent(ofTarget, LOOKS_AT_ONCE, async (entry) => {
      const copies = await world.store.copies(entry.backup)
      const copy = copies.find((one) => one.target === id && one.key === entry.key)
      const isBegun = copy && (await target.stat(manifestKey(copy.key), signal)) === null
      if (isBegun) begun.push({ entry, copy })
      else await world.store.closeJournal(entry.id)
    })
    const refusals = await removeAll(begun, { world, target }, signal)
    for (const { copy } of begun) {
      const why = refusals.get(copy.key)
      if (why) await noteRetained(copy, why, world)
    }
  }
}
