import type { SourceFacts } from '../../core/manifest.ts'
import type { SourceContext } from '../source.ts'
import { openDebts } from './debts.ts'
import { type Halt, halt, turnToHalt } from './halt.ts'
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
  const { quiet } = place.settings
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
    const how = quiet === 'pause' ? 'paused' : 'stopped'
    return {
      facts:
        resumed && resumed.names.length > 0
          ? { [how]: resumed.names, downtimeMs: resumed.downtime }
          : {},
      warnings: [...(resumed?.failed ?? []).map((why) => `does not run again: ${why}`), ...faults],
    }
  }
  const calm: Calm = { end: () => (ended ??= end()) }
  const halting = { place, how: quiet, context, debts }
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
