import type { Restore } from '../core/model.ts'
import { holdPatiently } from '../leases/lease.ts'
import { messageOf, reportOf } from '../lib/errors.ts'
import { unlessAborted, withTimeLimit } from '../lib/limits.ts'
import { openSource, type World } from '../observe/world.ts'

/*
 * What a restore has staged goes with it, whatever it came to. Where it cannot, because its server is
 * down or its engine away, it is noted, and whoever works here later tries again until it is gone.
 */

const PREFIX = 'staged:'
/** Milliseconds: nobody who only came by waits longer for what costs disk space and nothing else. */
const WITHIN = 15_000

/**
 * Removes what a restore whose process died had staged beside the data. Never throws: what cannot be
 * removed is told, and left for later.
 */
export async function sweepRestore(restore: Restore, world: World): Promise<void> {
  const job = world.desired.jobs.find(({ id }) => id === restore.job)
  const source = job?.sources.find(({ name }) => name === restore.source)
  // Of a source that is not declared any more nobody can tell where it staged.
  if (!job || !source) return
  try {
    const opened = await openSource(world, job, source)
    await opened.sweep({ to: restore.inPlace ? null : restore.to, token: restore.id })
    await world.store.saveFact(PREFIX + restore.id, null)
  } catch (error) {
    await leaveStaged(restore, error, world)
  }
}

/** Notes and tells what could not be removed. Never throws. */
export async function leaveStaged(restore: Restore, error: unknown, world: World): Promise<void> {
  const key = PREFIX + restore.id
  // With the state away too it stays: an archive's worth of disk, and no harm.
  await world.store.saveFact(key, JSON.stringify(restore)).catch(() => {})
  if (!world.news(key, messageOf(error))) return
  world.report({
    event: 'pass.failed',
    level: 'warn',
    message: `could not remove yet what the restore of ${restore.key} had staged: ${messageOf(error)}`,
    key: restore.key,
    ...(restore.job === null ? {} : { job: restore.job }),
    ...(restore.source === null ? {} : { source: restore.source }),
    error: reportOf(error),
  })
}

/** Removes what restores of this host have left. What cannot be removed yet stays. Throws the signal's reason. */
export async function sweepLeft(world: World, signal: AbortSignal): Promise<void> {
  const { store, leases, fleet } = world
  if ((await store.facts(PREFIX)).size === 0) return
  const home = (await fleet?.home()) ?? null
  const name = `sweep${home === null ? '' : `:${home}`}`
  await holdPatiently({ leases, patience: 0 }, name, signal, async (_, held) => {
    for (const text of (await store.facts(PREFIX)).values()) {
      const restore = JSON.parse(text) as Restore
      if (restore.home !== home) continue
      const limited = withTimeLimit(held, WITHIN, 'removing what a restore had staged')
      await unlessAborted(sweepRestore(restore, world), limited).catch(() => held.throwIfAborted())
    }
  })
}
