import { messageOf } from '../lib/errors.ts'
import { UNSEEN, type World } from '../observe/world.ts'
import { applyConfig } from './apply.ts'
import { type Expanded, expandAndKeep } from './expansion.ts'
import { type Generation, reload } from './reload.ts'
import type { Ambient } from './session.ts'
import { tellApplied, tellRejected, tellReloaded } from './tell.ts'

/** What runs: the config as it was read, and the world as it wants it. */
export interface Running {
  generation: Generation
  world: World
  /** The world as a config wants it, once what its declarations stand for is known. */
  readonly worldOf: (expanded: Expanded) => World
}

/** A server that hangs holds up a start or a reload for this long, in milliseconds. */
const LOOK_LIMIT = 5_000

/** The first config, with what its declarations stand for. */
export async function startRunning(
  generation: Generation,
  worldOf: Running['worldOf'],
  signal: AbortSignal,
): Promise<Running> {
  const { desired } = generation
  const look = { signal, limit: LOOK_LIMIT }
  const expanded = await expandAndKeep(desired, worldOf({ desired, seen: UNSEEN }), look)
  return { generation, worldOf, world: worldOf(expanded) }
}

/** Makes the config of the world the applied one, and tells what that changed. */
export async function apply(world: World, signal: AbortSignal): Promise<void> {
  tellApplied(await applyConfig(world, signal), world)
}

/** `taken`: another config runs now. */
export async function takeReload(
  running: Running,
  ambient: Ambient,
  signal: AbortSignal,
): Promise<'taken' | 'kept' | 'unsettled'> {
  const found = await reload(running.generation, ambient, signal)
  if (found.kind === 'unsettled') return 'unsettled'
  if (found.kind === 'unchanged') {
    if (running.world.news('config.rejected', '')) {
      const { origin } = running.generation.desired
      tellReloaded('the config is again the one that runs', origin, ambient.report)
    }
    return 'kept'
  }
  if (found.kind === 'rejected') {
    if (running.world.news('config.rejected', `${found.mark} ${messageOf(found.error)}`)) {
      tellRejected(found.error, ambient.report)
    }
    // It may name a secret file that is not there yet, and that nobody watches.
    return 'unsettled'
  }
  const { desired } = found.generation
  const look = { signal, limit: LOOK_LIMIT }
  const world = running.worldOf(await expandAndKeep(desired, running.world, look))
  await apply(world, signal)
  running.generation = found.generation
  running.world = world
  world.news('config.rejected', '')
  const { origin } = desired
  tellReloaded(`reloaded ${origin.path}`, origin, ambient.report)
  return 'taken'
}

/** Runs what a look has found; jobs that came or went with it are told as those of a reload. */
export async function takeExpanded(
  expanded: Expanded,
  running: Running,
  signal: AbortSignal,
): Promise<void> {
  const world = running.worldOf(expanded)
  await apply(world, signal)
  running.world = world
}
