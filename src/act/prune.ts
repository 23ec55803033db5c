import type { DebrisAction, MissingAction } from '../core/action.ts'
import { manifestKey, pinKey } from '../core/archive-key.ts'
import type { Copy, Instant } from '../core/model.ts'
import { groupedBy } from '../core/order.ts'
import type { Lease } from '../leases/lease.ts'
import { forEachConcurrent } from '../lib/concurrent.ts'
import type { ObjectRetained } from '../lib/errors.ts'
import { openTarget, type World } from '../observe/world.ts'
import type { JournalEntry } from '../state/store.ts'
import type { Retentions, Target } from '../targets/target.ts'

/** What goes in one go: as many as a bucket takes in one request. */
const BATCH = 1000
/** Looks under way at once. */
const LOOKS_AT_ONCE = 16
/** A key that may not delete is not given the right to every minute. */
const TRY_AGAIN_AFTER = 24 * 60 * 60_000

/** What a batch of deletions came to. */
export interface Pruned {
  readonly deleted: readonly Copy[]
  /** Pinned since the plan was made. */
  readonly spared: readonly Copy[]
  /** Those that the target does not let go of; the history remembers until when. */
  readonly retained: readonly Copy[]
}

/**
 * Deletes copies of one group from the targets that hold them: intent rows → manifests → archives →
 * rows, batch by batch.
 *
 * The fence is confirmed before each batch, and a copy pinned since the plan was made is spared. What
 * the target locks keeps its manifest too. A kill at any point leaves intents that the next start
 * finishes.
 */
export async function prune(
  drop: readonly Copy[],
  world: World,
  lease: Lease,
  signal: AbortSignal,
): Promise<Pruned> {
  const done: Pruned[] = []
  for (const [target, copies] of groupedBy(drop, (copy) => copy.target)) {
    for (let at = 0; at < copies.length; at += BATCH) {
      signal.throwIfAborted()
      await lease.confirm()
      const batch = copies.slice(at, at + BATCH)
      done.push(await pruneBatch(batch, await openTarget(world, target), { world, signal }))
    }
  }
  return {
    deleted: done.flatMap(({ deleted }) => deleted),
    spared: done.flatMap(({ spared }) => spared),
    retained: done.flatMap(({ retained }) => retained),
  }
}

async function pruneBatch(
  batch: readonly Copy[],
  target: Target,
  { world, signal }: { readonly world: World; readonly signal: AbortSignal },
): Promise<Pruned> {
  const pinned = await pinnedOf(batch, target, signal)
  const loose = batch.filter((copy) => !pinned.has(copy))
  const locks = await target.retained(keysOf(loose), signal)
  const free = loose.filter(({ key }) => !locks.has(key))
  const deletions = free.map((copy) => ({ copy, entry: intentOf(copy, world) }))
  for (const { entry } of deletions) await world.store.openJournal(entry)
  const refusals = await removeAll(deletions, { world, target }, signal)
  const retained = await Promise.all(
    loose.flatMap((copy) => {
      const why = locks.get(copy.key) ?? refusals.get(copy.key)
      return why ? [noteRetained(copy, why, world)] : []
    }),
  )
  return {
    deleted: free.filter(({ key }) => !refusals.has(key)),
    spared: [...pinned],
    retained,
  }
}

async function pinnedOf(
  batch: readonly Copy[],
  target: Target,
  signal: AbortSignal,
): Promise<ReadonlySet<Copy>> {
  const pinned = new Set<Copy>()
  await forEachConcurrent(batch, LOOKS_AT_ONCE, async (copy) => {
    if (await target.stat(pinKey(copy.key), signal)) pinned.add(copy)
  })
  return pinned
}

function intentOf(copy: Copy, world: World): DeleteEntry {
  return {
    kind: 'delete',
    // Of its own, so that what fails again and again stands there once.
    id: `delete ${copy.backup} ${copy.target}`,
    openedAt: world.now(),
    target: copy.target,
    key: copy.key,
    backup: copy.backup,
  }
}

function keysOf(copies: readonly Copy[]): readonly string[] {
  return copies.map(({ key }) => key)
}

/** A deletion whose intent is written down. */
export interface Deletion {
  readonly entry: DeleteEntry
  readonly copy: Copy
}

/** Manifests first, so that no moment shows half a copy as whole; what kept its manifest keeps its archive. */
export async function removeAll(
  deletions: readonly Deletion[],
  { world, target }: { readonly world: World; readonly target: Target },
  signal: AbortSignal,
): Promise<Retentions> {
  const refusals = new Map<string, ObjectRetained>()
  const manifests = deletions.map(({ copy }) => manifestKey(copy.key))
  const kept = await target.remove(manifests, signal)
  const headless = deletions.filter(({ copy, entry }) => {
    const why = kept.get(manifestKey(copy.key))
    if (why) refusals.set(entry.key, why)
    return !why
  })
  const keptArchives = await target.remove(keysOf(headless.map(({ copy }) => copy)), signal)
  for (const [key, why] of keptArchives) refusals.set(key, why)
  for (const { copy, entry } of deletions) {
    if (!refusals.has(copy.key)) await world.store.saveCopy({ ...copy, status: 'pruned' })
    await world.store.closeJournal(entry.id)
  }
  return refusals
}

/** A lock that has an end is left alone until then. */
export async function noteRetained(
  copy: Copy,
  { until }: ObjectRetained,
  world: World,
): Promise<Copy> {
  const retained =
    until === null
      ? ({ until: (world.now() + TRY_AGAIN_AFTER) as Instant, why: 'permission' } as const)
      : ({ until, why: 'lock' } as const)
  const noted = { ...copy, retained }
  await world.store.saveCopy(noted)
  return noted
}

export type DeleteEntry = Extract<JournalEntry, { kind: 'delete' }>

/** Removes what an attempt of ours left unfinished, unless the target does not let it go now. */
export async function removeDebris(
  action: DebrisAction,
  world: World,
  signal: AbortSignal,
): Promise<'removed' | 'retained'> {
  const target = await openTarget(world, action.subject)
  let why: ObjectRetained | undefined
  if (action.object.kind === 'unfinished') {
    await target.abort(action.object.unfinished, signal)
  } else if ((await target.stat(manifestKey(action.object.key), signal)) === null) {
    // A manifest that came since the listing makes the archive count: it is left for `adopt`.
    const { key } = action.object
    why = (await target.remove([key], signal)).get(key)
  }
  const copy = (await world.store.copies(action.backup)).find(
    ({ target: id }) => id === action.subject,
  )
  if (!copy) return 'removed'
  const torn = { ...copy, error: copy.error ?? 'never finished' }
  const over = copy.status === 'writing' ? ({ ...torn, status: 'failed' } as const) : copy
  if (why) await noteRetained(over, why, world)
  else if (over !== copy) await world.store.saveCopy(over)
  return why ? 'retained' : 'removed'
}

/** Notes in the history that a copy is not on its target any more, or not as it was written. */
export async function noteMissing(action: MissingAction, world: World): Promise<void> {
  await world.store.saveCopy({ ...action.copy, status: 'missing', error: action.because.rule })
}
