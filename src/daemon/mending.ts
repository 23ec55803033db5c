import { mendNotes, wakeStanding } from '../act/notes.ts'
import { messageOf, reportOf } from '../lib/errors.ts'
import type { World } from '../observe/world.ts'
import type { Surroundings } from './stock.ts'

/**
 * Undoes what sources of dead attempts have left to be undone, and what living ones could not, beside
 * the passes: a hook that hangs keeps nobody from looking at the world.
 */
export interface Mending {
  /** Begins a round unless one is under way. */
  begin(): void
  /** Resolves once none is under way. */
  ended(): Promise<void>
}

export function createMending({ world, stop }: Pick<Surroundings, 'world' | 'stop'>): Mending {
  let underWay: Promise<void> | null = null
  const round = async (): Promise<void> => {
    try {
      await wakeStanding(world(), stop)
      await mendNotes(world(), stop)
      world().news('mending', '')
    } catch (error) {
      if (!stop.aborted) tell(error, world())
    } finally {
      underWay = null
    }
  }
  return {
    begin() {
      underWay ??= round()
    },
    async ended() {
      await underWay
    },
  }
}

function tell(error: unknown, { news, report }: World): void {
  if (!news('mending', messageOf(error))) return
  report({
    event: 'pass.failed',
    level: 'error',
    message: `could not undo what backups have left: ${messageOf(error)}`,
    error: reportOf(error),
  })
}
