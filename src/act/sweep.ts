import type { Restore } from '../core/model.ts'
import { holdPatiently } from '../leases/lease.ts'
import { messageOf, reportOf } from '../lib/errors.ts'
import { unlessAborted, withTimeLimit } from '../lib/limits.ts'
import { openSource, type World } from '../observe/world.ts'
import type { Source } from '../sources/source.ts'
import { tokensAtWork } from './at-work.ts'
import { placeOf } from './place.ts'

/*
 * What a restore has staged goes with it, whatever it came to. A server that is down keeps what it has:
 * where that can be removed beside whoever is at work, it is noted, and whoever works here later
 * tries again until it is gone.
 */

const PREFIX = 'staged:'
/** Milliseconds: nobody who only came by waits longer for what costs disk space and nothing else. */
const WITHIN = 15_000

/**
 * Removes what a restore whose process died had staged beside the data. Never throws: what cannot be
 * removed is told, and noted or left to the next restore of the place.
 */
export async function sweepRestore(restore: Restore, world: World): Promise<void> {
  const place = declared(restore, world)
  // Of a source that is not declared any more nobody can tell where it staged.
  if (place === null) return
  let source: Source | null = null
  try {
    source = await openSource(world, place.job, place.source)
    await source.sweep({ to: restore.inPlace ? null : restore.to, token: restore.id })
    await world.store.saveFact(PREFIX + restore.id, null)
  } catch (error) {
    await tellStaged(restore, source, error, world)
  }
}

/** Tells what could not be removed, and notes what can be later. Never throws. */
export async function tellStaged(
  restore: Restore,
  source: Pick<Source, 'sweepsBeside'> | null,
  error: unknown,
  world: World,
): Promise<void> {
  const key = PREFIX + restore.id
  const canWait = source?.sweepsBeside === true && restore.job !== null
  const isNoted =
    canWait && (await world.store.saveFact(key, JSON.stringify(restore)).then(succeeded, failed))
  if (world.news(key, messageOf(error))) {
    const what = `could not remove${isNoted ? ' yet' : ''} what the restore of ${restore.key} had staged`
    warn(restore, `${what}: ${messageOf(error)}`, error, world)
  }
}

const succeeded = () => true
const failed = () => false

/**
 * Removes what restores of this host have left, for a while. What cannot be removed yet stays noted.
 * Throws the signal's reason.
 */
export async function sweepLeft(world: World, signal: AbortSignal): Promise<void> {
  const { store, leases, fleet } = world
  if ((await store.facts(PREFIX)).size === 0) return
  const home = (await fleet?.home()) ?? null
  const name = `sweep${home === null ? '' : `:${home}`}`
  await holdPatiently({ leases, patience: 0 }, name, signal, async (_, held) => {
    const limited = withTimeLimit(held, WITHIN, 'removing what restores had staged')
    // What is under way when the time is over ends by its own limits.
    await unlessAborted(sweepEach(home, world, limited), limited).catch((error: unknown) => {
      signal.throwIfAborted()
      if (!limited.aborted) throw error
    })
  })
}

async function sweepEach(home: string | null, world: World, signal: AbortSignal): Promise<void> {
  const notes = await world.store.facts(PREFIX)
  const atWork = await tokensAtWork(world)
  signal.throwIfAborted()
  // One server that is silent holds up no other.
  await Promise.all(
    [...notes].map(async ([key, text]) => {
      const restore = JSON.parse(text) as Restore
      if (restore.home !== home || atWork.has(restore.id)) return
      if (declared(restore, world) !== null) return await sweepRestore(restore, world)
      const what = `what the restore of ${restore.key} had staged stays where it is, by a name with ${restore.id}`
      warn(restore, `${what}: its source is not declared any more`, null, world)
      await world.store.saveFact(key, null)
    }),
  )
}

function declared({ job, source }: Restore, world: World) {
  return job === null || source === null ? null : placeOf(job, source, world)
}

function warn(
  { key, job, source }: Restore,
  message: string,
  error: unknown,
  { report }: World,
): void {
  report({
    event: 'pass.failed',
    level: 'warn',
    message,
    key,
    ...(job === null ? {} : { job }),
    ...(source === null ? {} : { source }),
    ...(error === null ? {} : { error: reportOf(error) }),
  })
}
