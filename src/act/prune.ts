import type { DebrisAction, MissingAction } from '../core/action.ts'
import { manifestKey, pinKey } from '../core/archive-key.ts'
import type { Copy } from '../core/model.ts'
import type { Lease } from '../leases/lease.ts'
import { openTarget, type World } from '../observe/world.ts'
import type { JournalEntry } from '../state/store.ts'
import type { Target } from '../targets/target.ts'
import { removeOne } from './remove-one.ts'

/** What a batch of deletions came to. */
export interface Pruned {
  readonly deleted: readonly Copy[]
  /** Pinned since the plan was made. */
  readonly spared: readonly Copy[]
}

/**
 * Deletes copies of one group from the target that holds them: intent row → manifest → archive → row.
 *
 * The fence is confirmed before the batch, and a copy pinned since the plan was made is spared. A
 * kill at any point leaves an intent that the next start finishes.
 */
export async function prune(
  drop: readonly Copy[],
  world: World,
  lease: Lease,
  signal: AbortSignal,
): Promise<Pruned> {
  await lease.confirm()
  const deleted: Copy[] = []
  const spared: Copy[] = []
  for (const copy of drop) {
    signal.throwIfAborted()
    const target = await openTarget(world, copy.target)
    if (await target.stat(pinKey(copy.key), signal)) {
      spared.push(copy)
      continue
    }
    const entry: DeleteEntry = {
      kind: 'delete',
      // Of its own, so that what fails again and again stands there once.
      id: `delete ${copy.backup} ${copy.target}`,
      openedAt: world.now(),
      target: copy.target,
      key: copy.key,
      backup: copy.backup,
    }
    await world.store.openJournal(entry)
    await remove({ entry, copy, target }, world, signal)
    deleted.push(copy)
  }
  return { deleted, spared }
}

export type DeleteEntry = Extract<JournalEntry, { kind: 'delete' }>

/** Finishes a deletion that a crash cut short: its manifest may be gone already, so only onward is safe. */
export async function finishDelete(
  entry: DeleteEntry,
  world: World,
  signal: AbortSignal,
): Promise<void> {
  const copies = await world.store.copies(entry.backup)
  const copy = copies.find(({ target, key }) => target === entry.target && key === entry.key)
  const target = await openTarget(world, entry.target)
  if (copy) await remove({ entry, copy, target }, world, signal)
  else await world.store.closeJournal(entry.id)
}

interface Deletion {
  readonly entry: DeleteEntry
  readonly copy: Copy
  readonly target: Target
}

async function remove(
  { entry, copy, target }: Deletion,
  world: World,
  signal: AbortSignal,
): Promise<void> {
  await removeOne(target, manifestKey(copy.key), signal)
  await removeOne(target, copy.key, signal)
  await world.store.saveCopy({ ...copy, status: 'pruned' })
  await world.store.closeJournal(entry.id)
}

/** Removes what an attempt of ours left unfinished. */
export async function removeDebris(
  action: DebrisAction,
  world: World,
  signal: AbortSignal,
): Promise<void> {
  const target = await openTarget(world, action.subject)
  if (action.object.kind === 'unfinished') {
    await target.abort(action.object.unfinished, signal)
  } else if ((await target.stat(manifestKey(action.object.key), signal)) === null) {
    // A manifest that came since the listing makes the archive count: it is left for `adopt`.
    await removeOne(target, action.object.key, signal)
  }
  const copy = (await world.store.copies(action.backup)).find(
    ({ target: id }) => id === action.subject,
  )
  if (copy?.status === 'writing') {
    await world.store.saveCopy({ ...copy, status: 'failed', error: copy.error ?? 'never finished' })
  }
}

/** Notes in the history that a copy is not on its target any more, or not as it was written. */
export async function noteMissing(action: MissingAction, world: World): Promise<void> {
  await world.store.saveCopy({ ...action.copy, status: 'missing', error: action.because.rule })
}
