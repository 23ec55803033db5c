import type { SourceFacts } from '../../core/manifest.ts'
import type { SourceContext } from '../source.ts'
import { openDebts } from './debts.ts'
import { type Halt, halt, type Resumed, turnToHalt } from './halt.ts'
import { afterHooksOf, runAfter, runBefore } from './hooks.ts'
import type { Place } from './place.ts'

/** What keeps still while a volume is read, and is to go on. */
export interface Calm {
  /** Lets all go on; doing so twice harms nothing. Never throws: what went wrong is told. */
  end(): Promise<Ended>
}

/** What the run's reader is to know of it. */
export interface Ended {
  readonly facts: SourceFacts
  readonly warnings: readonly string[]
}

/** Runs the hooks from before a backup and brings the volume's users to a stand, as the source declares. */
export async function hush(
  place: Place,
  context: SourceContext,
  signal: AbortSignal,
): Promise<Calm> {
  const debts = openDebts(place, context)
  let halted: Halt | null = null
  let ended: Promise<Ended> | null = null
  const end = async (): Promise<Ended> => {
    const resumed = await halted?.resume()
    const after = afterHooksOf(place)
    // Whatever ends the backup: they are what it owes.
    const { signal: never } = new AbortController()
    const faults = after === null ? [] : await runAfter(place.engine, after, never)
    // A note that stays makes them run again: better twice than never.
    await debts.paidHooks().catch(() => {})
    return {
      facts: resumed ? factsOf(resumed) : {},
      warnings: [...(resumed?.warnings ?? []), ...faults],
    }
  }
  const calm: Calm = { end: () => (ended ??= end()) }
  const halting = { place, how: place.settings.quiet, context, debts }
  // Waited for before anybody is asked for anything: it may take as long as another's backup.
  const turn = await turnToHalt(halting, signal)
  try {
    await debts.oweHooks()
    await runBefore(place, signal)
    halted = await halt(halting, turn, signal)
    return calm
  } catch (error) {
    await calm.end()
    await turn?.disposeAsync()
    throw error
  }
}

function factsOf({ stopped, paused, downtime }: Resumed): SourceFacts {
  if (stopped.length + paused.length === 0) return {}
  return {
    ...(stopped.length > 0 ? { stopped } : {}),
    ...(paused.length > 0 ? { paused } : {}),
    downtimeMs: downtime,
  }
}
