import { mendNotes, wakeStanding } from '../act/notes.ts'
import { messageOf, reportOf, StateRefused } from '../lib/errors.ts'
import { unlessAborted, withTimeLimit } from '../lib/limits.ts'
import type { World } from '../observe/world.ts'
import type { Surroundings } from './stock.ts'

/** A pass waits so long for those that stand still, in milliseconds, */
const WITHIN = 15_000
/** and no more than once in so long: an engine that hangs keeps nobody else from their slots. */
const PATIENT_AGAIN = 5 * 60_000

/**
 * Undoes what sources of dead attempts have left to be undone, and what living ones could not, beside
 * the passes: a hook that hangs keeps nobody from looking at the world.
 */
export interface Mending {
  /** Begins what is not under way. */
  begin(): void
  /** Resolves once those that stand still go on, or have been waited for. Throws the signal's reason. */
  awake(signal: AbortSignal): Promise<void>
  /** Resolves once nothing is under way. */
  ended(): Promise<void>
}

export function createMending({ world, stop }: Pick<Surroundings, 'world' | 'stop'>): Mending {
  const waking = oneAtATime(() => wakeStanding(world(), stop))
  const hooks = oneAtATime(() => mendNotes(world(), stop))
  let patientFrom = Number.NEGATIVE_INFINITY
  const telling = (error: unknown) => {
    if (!stop.aborted) tell(error, world())
  }
  return {
    begin() {
      waking
        .begin()
        .then(() => hooks.begin())
        .then(() => world().news('mending', ''))
        .catch(telling)
    },
    async awake(signal) {
      if (performance.now() < patientFrom) return
      const limited = withTimeLimit(signal, WITHIN, 'letting go on what stands still')
      await unlessAborted(waking.ended(), limited).catch(() => {
        signal.throwIfAborted()
        if (limited.aborted) patientFrom = performance.now() + PATIENT_AGAIN
      })
    },
    async ended() {
      await Promise.allSettled([waking.ended(), hooks.ended()])
    },
  }
}

function oneAtATime(work: () => Promise<void>) {
  let underWay: Promise<void> | null = null
  const run = async () => {
    try {
      await work()
    } finally {
      underWay = null
    }
  }
  return {
    begin: () => (underWay ??= run()),
    ended: async () => await underWay,
  }
}

/** Of a state that is away the pass itself tells. */
function tell(error: unknown, { news, report }: World): void {
  if (error instanceof StateRefused || !news('mending', messageOf(error))) return
  report({
    event: 'pass.failed',
    level: 'error',
    message: `could not undo what backups have left: ${messageOf(error)}`,
    error: reportOf(error),
  })
}
