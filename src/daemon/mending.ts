import { areNotesKept, mendNotes } from '../act/notes.ts'
import { holdPatiently } from '../leases/lease.ts'
import { messageOf, reportOf } from '../lib/errors.ts'
import type { World } from '../observe/world.ts'
import type { Surroundings } from './stock.ts'

/**
 * Undoes what sources of dead attempts have left to be undone, and what living ones could not. Nobody
 * else does meanwhile; whoever is at it already is waited for as long as `patience` says, in
 * milliseconds, and then left to it.
 */
export async function recoverNotes(
  world: World,
  patience: number,
  signal: AbortSignal,
): Promise<void> {
  if (!(await areNotesKept(world))) return
  const asked = { leases: world.leases, patience }
  await holdPatiently(asked, 'notes', signal, (_lease, held) => mendNotes(world, held))
}

/** The same beside the passes: a hook that hangs keeps nobody from looking at the world. */
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
      await recoverNotes(world(), 0, stop)
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
