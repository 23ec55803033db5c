import { type EngineAddress, formatEngineAddress } from '../../core/engine-address.ts'
import { pauseContainer, stopContainer } from '../../docker/containers.ts'
import { isMissing } from '../../docker/trouble.ts'
import { EngineRefused, messageOf, SourceFailed } from '../../lib/errors.ts'
import { formatDuration } from '../../lib/time.ts'
import type { SourceContext } from '../source.ts'
import { goOn, type Halted, noteOf } from './halt-note.ts'
import type { Place } from './place.ts'
import { usersUp } from './users.ts'

/** Containers that stand still for a while. */
export interface Halt {
  /** Lets them go on; doing so twice harms nothing. Never throws. */
  resume(): Promise<Resumed>
}

export interface Resumed {
  /** Names of those that stood still. */
  readonly names: readonly string[]
  /** Milliseconds, from before the first stood still until after the last went on. */
  readonly downtime: number
  /** In words, for each that does not run again. */
  readonly failed: readonly string[]
}

export interface Halting {
  readonly place: Place
  readonly how: 'stop' | 'pause'
  readonly context: SourceContext
}

/**
 * Stops or pauses what lives and has the volume. Whom that hits is kept before it happens, so that a
 * death of ours leaves nobody standing; whoever stood still already is none of our business.
 */
export async function halt(halting: Halting, signal: AbortSignal): Promise<Halt> {
  const { place, how, context } = halting
  const { engine, settings, volume } = place
  const up = (await usersUp(place, signal)).filter(({ state }) => isHit(state, how))
  // The one that came last goes first, and comes back last.
  const halted: Halted[] = up.map(({ id, name }) => ({ id, name }))
  if (halted.length === 0) return { resume: async () => NOBODY }
  await context.keep?.(noteOf(addressOf(settings.address), how, halted))
  const began = performance.now()
  const names = halted.map(({ name }) => name).sort()
  let resumed: Promise<Resumed> | null = null
  const resume = async () => {
    const failed = await goOn(engine, how, halted)
    // What could not be done is still owed.
    if (failed.length === 0) await context.keep?.(null)
    const downtime = Math.round(performance.now() - began)
    const did = how === 'stop' ? 'started' : 'let go on'
    context.tell?.(
      'source.resumed',
      failed.length === 0
        ? `${did} ${names.join(', ')} after ${formatDuration(downtime)}`
        : `not all that stood still for volume ${volume.name} goes on: ${failed.join('; ')}`,
      { containers: names, downtimeMs: downtime },
    )
    return { names, downtime, failed }
  }
  const halt: Halt = { resume: () => (resumed ??= resume()) }
  try {
    await Promise.all(halted.map((one) => still(halting, one, signal)))
  } catch (error) {
    await halt.resume()
    signal.throwIfAborted()
    throw new SourceFailed(`cannot ${how} what uses volume ${volume.name}: ${messageOf(error)}`, {
      at: volume.name,
      cause: error,
    })
  }
  const did = how === 'stop' ? 'stopped' : 'paused'
  context.tell?.('source.halted', `${did} ${names.join(', ')} for volume ${volume.name}`, {
    containers: names,
  })
  return halt
}

const NOBODY: Resumed = { names: [], downtime: 0, failed: [] }

function addressOf(address: EngineAddress): string {
  return formatEngineAddress(address)
}

function isHit(state: string, how: 'stop' | 'pause'): boolean {
  return how === 'stop' ? state !== 'paused' : state === 'running'
}

async function still({ place, how }: Halting, { id }: Halted, signal: AbortSignal): Promise<void> {
  const { engine, settings } = place
  const grace = Math.ceil(settings.stopTimeout / 1000)
  try {
    if (how === 'stop') await stopContainer(engine, id, { grace, signal })
    else await pauseContainer(engine, id, signal)
  } catch (error) {
    // Removed meanwhile, or ended by itself: it stands still enough.
    const ended = how === 'pause' && error instanceof EngineRefused && error.status === 409
    if (!isMissing(error) && !ended) throw error
  }
}
