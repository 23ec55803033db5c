import type { Desired } from '../core/model.ts'
import { messageOf, reportOf } from '../lib/errors.ts'
import type { World } from '../observe/world.ts'
import { type Expanded, expandAndKeep } from './expansion.ts'
import type { Running } from './running.ts'
import type { Wake } from './wake.ts'

/** How often servers and engines are asked what they hold, in milliseconds: what is new is owed its next slot. */
const LOOK_EVERY = 60_000

export interface ExpansionWatchParts {
  readonly running: Running
  readonly wake: Wake
  readonly lifetime: AbortSignal
}

/** Looks again and again beside the passes: a server that hangs delays no backup of another. */
export interface ExpansionWatch {
  /** Starts a look when it is time for one. */
  lookWhenDue(): void
  /** The config as a look found it to stand otherwise than it runs, once; null when there is none. */
  take(): Expanded | null
}

/** A watch whose first look is a while from now: whoever makes it has just looked. */
export function createExpansionWatch(parts: ExpansionWatchParts): ExpansionWatch {
  const { running, wake, lifetime } = parts
  let due = performance.now() + LOOK_EVERY
  let underWay = false
  let found: { readonly declared: Desired; readonly expanded: Expanded } | null = null
  const look = async () => {
    const declared = running.generation.desired
    try {
      const expanded = await expandAndKeep(declared, running.world, { signal: lifetime })
      if (isSame(expanded, running.world)) return
      found = { declared, expanded }
      wake.wake()
    } catch (error) {
      if (!lifetime.aborted) tell(error, running.world)
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
      const taken = found?.declared === running.generation.desired ? found.expanded : null
      found = null
      return taken
    },
  }
}

function isSame({ desired, seen }: Expanded, world: World): boolean {
  const of = (jobs: Desired['jobs']) =>
    JSON.stringify(jobs.map(({ id, fingerprint, sources, on }) => [id, fingerprint, sources, on]))
  // The time of the look is no difference.
  const around = (all: Expanded['seen'] | undefined) =>
    JSON.stringify(all?.surroundings.map(({ at: _, ...rest }) => rest))
  return of(desired.jobs) === of(world.desired.jobs) && around(seen) === around(world.seen)
}

function tell(error: unknown, { news, report }: World): void {
  if (!news('expansion', messageOf(error))) return
  report({
    event: 'pass.failed',
    level: 'error',
    message: `could not look at what there is to back up: ${messageOf(error)}`,
    error: reportOf(error),
  })
}
