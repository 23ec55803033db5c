import { expand } from '../core/members.ts'
import type { Desired } from '../core/model.ts'
import { messageOf, reportOf } from '../lib/errors.ts'
import { type LookBounds, lookForMembers, rememberMembers } from '../observe/members.ts'
import type { World } from '../observe/world.ts'
import type { Running } from './running.ts'
import type { Wake } from './wake.ts'

/** How often servers are asked what they hold, in milliseconds: what is new is owed its next slot. */
const LOOK_EVERY = 60_000

/** The config with what its declarations stand for just now, as told to all who share the state. */
export async function lookAndExpand(
  declared: Desired,
  world: World,
  bounds: LookBounds,
): Promise<Desired> {
  const { known, changed } = await lookForMembers(declared, world, bounds)
  if (changed) await rememberMembers(known, world.store)
  return expand(declared, known)
}

export interface MembersWatchParts {
  readonly running: Running
  readonly wake: Wake
  readonly lifetime: AbortSignal
}

/** Looks again and again beside the passes: a server that hangs delays no backup of another. */
export interface MembersWatch {
  /** Starts a look when it is time for one. */
  lookWhenDue(): void
  /** The config as a look found it to stand otherwise than it runs, once; null when there is none. */
  take(): Desired | null
}

/** A watch whose first look is a while from now: whoever makes it has just looked. */
export function createMembersWatch({ running, wake, lifetime }: MembersWatchParts): MembersWatch {
  const declared = () => running.generation.desired
  const world = () => running.world
  let due = performance.now() + LOOK_EVERY
  let underWay = false
  let found: { readonly declared: Desired; readonly desired: Desired } | null = null
  const look = async () => {
    const about = declared()
    try {
      const desired = await lookAndExpand(about, world(), { signal: lifetime })
      if (JSON.stringify(sourcesOf(desired)) === JSON.stringify(sourcesOf(world().desired))) return
      found = { declared: about, desired }
      wake.wake()
    } catch (error) {
      if (!lifetime.aborted) tell(error, world())
    } finally {
      underWay = false
    }
  }
  return {
    lookWhenDue() {
      if (underWay || performance.now() < due) return
      underWay = true
      due = performance.now() + LOOK_EVERY
      void look()
    },
    take() {
      const taken = found?.declared === declared() ? found.desired : null
      found = null
      return taken
    },
  }
}

function sourcesOf({ jobs }: Desired) {
  return jobs.map(({ id, sources }) => [id, sources])
}

function tell(error: unknown, { news, report }: World): void {
  if (!news('members', messageOf(error))) return
  report({
    event: 'pass.failed',
    level: 'error',
    message: `could not look at what sources stand for: ${messageOf(error)}`,
    error: reportOf(error),
  })
}
