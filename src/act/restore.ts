import { encryptionsOfJob } from '../core/encryptions.ts'
import type { Copy, Restore, RestoreId } from '../core/model.ts'
import { messageOf, naming, RestoreFailed, reportOf } from '../lib/errors.ts'
import type { World } from '../observe/world.ts'
import { fileRealm } from '../platform/file-realm.ts'
import type { Staged, Staging } from '../sources/source.ts'
import { loadIdentities } from '../stream/keys.ts'
import { readThrough, unseal } from '../stream/unseal.ts'
import { openHolds } from './alone.ts'
import type { Archive } from './archive.ts'
import { ownPaths } from './backup.ts'
import { forgetHolds, noteHolds } from './holds-left.ts'
import { type LateJournal, lateJournal } from './late-journal.ts'
import { forgetLoading, halfLoaded, noteLoading, wasLoading } from './loading.ts'
import { noting } from './notes.ts'
import { pin } from './pin.ts'
import { progressOf, tell, tellVerified } from './restore-events.ts'
import type { RestoreOrder } from './restore-order.ts'
import { endOf } from './rows.ts'
import { makeScratch } from './scratch.ts'
import { swap } from './swap.ts'
import { tellStaged } from './sweep.ts'
import { proveStored, type StoredFacts } from './verify.ts'

export interface Restored {
  readonly restore: Restore
  readonly staged: Staged
}

/**
 * Replaces all or nothing: reads the whole archive into a place beside, proves and checks it, then
 * swaps by a journal. Until the swap nothing live is touched; a failure in it puts the old data back.
 */
export async function restore(
  order: RestoreOrder,
  world: World,
  signal: AbortSignal,
): Promise<Restored> {
  const row = await openedRow(order, world)
  const journal = lateJournal(world.store)
  await world.store.openRestore(row)
  const staged = await stageAndSwap({ order, row, journal }, world, signal).catch(
    async (error: unknown) => {
      const cause = signal.aborted ? signal.reason : naming(error, order.archive.name)
      // What a swap could neither finish nor take back stays open, for the next start to find.
      if (!journal.isOpen()) await closeFailed(row, await inWords(cause, row, world), world)
      await journal.settle()
      throw cause
    },
  )
  // The data is in place: whatever fails from here on leaves the row and the entry open, and the
  // recovery that finds them goes forward.
  const end = {
    status: 'success',
    finishedAt: endOf(row, world),
    error: null,
    previous: staged.previous,
  } as const
  await world.store.closeRestore(row.id, end)
  await forgetLoading(row, world).catch(() => {})
  await journal.settle()
  return { restore: { ...row, ...end }, staged }
}

async function inWords(cause: unknown, row: Restore, world: World): Promise<string> {
  const isHalf = await wasLoading(row, world).catch(() => false)
  return isHalf ? `${messageOf(cause)}; ${halfLoaded(row)}` : messageOf(cause)
}

async function closeFailed(row: Restore, error: string, world: World): Promise<void> {
  await world.store.closeRestore(row.id, {
    status: 'failed',
    finishedAt: endOf(row, world),
    error,
    previous: null,
  })
  await forgetLoading(row, world).catch(() => {})
}

/** On the worst day a target that takes no pin must not stand in the way of the data. */
async function pinOrTell(
  copy: Copy,
  row: Restore,
  world: World,
  signal: AbortSignal,
): Promise<void> {
  try {
    await pin(copy, `restore:${row.id}`, world, signal)
  } catch (error) {
    signal.throwIfAborted()
    world.report({
      event: 'pass.failed',
      level: 'warn',
      message: `could not pin ${copy.key} on ${copy.target} for the time of the restore: ${messageOf(error)}`,
      target: copy.target,
      key: copy.key,
      error: reportOf(error),
    })
  }
}

async function openedRow(order: RestoreOrder, world: World): Promise<Restore> {
  const { archive, place } = order
  return {
    id: world.newId() as RestoreId,
    reference: order.reference,
    job: place?.job.id ?? null,
    source: place?.source.name ?? null,
    group: place?.source.group ?? null,
    backup: archive.manifest?.backup ?? null,
    target: archive.target ?? null,
    key: archive.name,
    sha256: archive.sha256,
    to: order.to ?? (place ? `${place.job.id}/${place.source.name}` : archive.name),
    inPlace: order.to === null,
    status: 'running',
    by: order.by,
    instance: world.instance,
    home: (await world.fleet?.home()) ?? null,
    previous: null,
    startedAt: world.now(),
    finishedAt: null,
    error: null,
    released: false,
  }
}

interface Restoring {
  readonly order: RestoreOrder
  readonly row: Restore
  readonly journal: LateJournal
}

async function stageAndSwap(
  { order, row, journal }: Restoring,
  world: World,
  signal: AbortSignal,
): Promise<Staged> {
  for (const copy of order.pins) await pinOrTell(copy, row, world, signal)
  await using scratch = await makeScratch(world, row.id)
  const task = {
    to: order.to,
    only: order.only,
    facts: order.archive.manifest?.source.facts ?? {},
    force: order.force,
    direct: order.direct,
  }
  const { place } = order
  const about = place && { kind: place.source.kind, job: place.job.id, source: place.source.name }
  const notes = about ? noting(about, row.id, world) : {}
  await using holds = openHolds(world)
  // Before they are let go of: whoever takes them next must not find them anybody's.
  await using _noted = {
    [Symbol.asyncDispose]: async () => {
      if (!journal.isOpen()) await forgetHolds(row, world).catch(() => {})
    },
  }
  const { alone } = holds
  const context = {
    ...{ scratch: scratch.path, leaveOut: ownPaths(world), token: row.id, alone },
    ...notes,
  }
  const staging = await order.source.stage(task, context, signal)
  const discard = () =>
    staging.discard().catch((error) => tellStaged(row, order.source, error, world))
  try {
    await noteHolds(row, holds.names(), world)
    tell('restore.download', `reading ${order.archive.name}`, order, world)
    // A file can be thrown away again: then all of it is here, and proven, before anything is done with it.
    if (staging.immediate && staging.sink.kind !== 'file') await prove(order, world, signal)
    const staged = await fill({ staging, order, row }, world, signal)
    tellVerified(staged, order, world)
    const { moves, leftovers, previous } = staged
    const at = { kind: 'swap', id: world.newId(), openedAt: world.now(), restore: row.id } as const
    const realm = order.source.realm?.(order.to) ?? fileRealm
    await swap({ ...at, moves, leftovers, previous }, journal, { realm })
    tell('restore.swapped', `restored data is in place at ${row.to}`, order, world)
    const said = (await staging.swapped?.().catch((error) => [messageOf(error)])) ?? []
    await discard()
    return { ...staged, warnings: [...staged.warnings, ...said] }
  } catch (error) {
    // What a swap could neither finish nor take back may still need what is staged.
    if (!journal.isOpen()) await discard()
    throw error
  }
}

interface Filling extends Pick<Restoring, 'order' | 'row'> {
  readonly staging: Staging
}

/** Streams the archive into its staging place and proves that all of it arrived as it was written. */
async function fill(
  { staging, order, row }: Filling,
  world: World,
  signal: AbortSignal,
): Promise<Staged> {
  const { archive } = order
  const keys = await identities(order, world)
  const body = await archive.open(signal)
  // What is taken as a file goes from there into the live data, once it is all here.
  const loadsLate = staging.sink.kind === 'file'
  if (staging.immediate && !loadsLate) await noteLoading(row, world)
  const read = await unseal(
    body,
    { layers: archive.layers, keys, onBytes: progressOf(order, world) },
    staging.sink,
    signal,
  )
  proveStored(about(archive), stored(archive), read.stored)
  if (staging.immediate && loadsLate) await noteLoading(row, world)
  const staged = await staging.finish(read.exit, signal).catch(async (error: unknown) => {
    // Who judges what was loaded says itself what is left behind; what is cut short never does.
    if (staging.immediate && !signal.aborted) await forgetLoading(row, world).catch(() => {})
    throw error
  })
  if (staged.moves.length === 0 && !staging.immediate) {
    throw new RestoreFailed(`nothing came out of ${archive.name}`)
  }
  return staged
}

/** The whole archive read through before a sink that cannot take anything back sees its first byte. */
async function prove(order: RestoreOrder, world: World, signal: AbortSignal): Promise<void> {
  const { archive } = order
  const keys = await identities(order, world)
  const body = await archive.open(signal)
  const read = await readThrough(
    body,
    { layers: archive.layers, keys, onBytes: progressOf(order, world) },
    signal,
  )
  proveStored(about(archive), stored(archive), read.stored)
}

async function identities(order: RestoreOrder, world: World) {
  return await loadIdentities([
    ...(order.place ? encryptionsOfJob(order.place.job) : []),
    world.desired.encryption,
  ])
}

/** What the archive must turn out to be: by its manifest, or by the reading before this one. */
function stored({ manifest, bytes, sha256 }: Archive): StoredFacts {
  return manifest?.stored ?? { bytes: bytes ?? 0, sha256 }
}

function about(archive: Archive): { key: string; target: Copy['target'] } {
  return { key: archive.name, target: (archive.target ?? 'this machine') as Copy['target'] }
}
