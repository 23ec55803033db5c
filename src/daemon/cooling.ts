const COOLDOWN = { first: 30_000, most: 30 * 60_000, busy: 2_000 } as const

/**
 * `failed`: an action failed that is not in the history as a failed backup. `broke`: the turn itself
 * could not go on. `busy`: another process holds the job, or the state was away. `full`: a target
 * had no place for it; it stands in line.
 */
export type TurnResult = 'well' | 'failed' | 'broke' | 'busy' | 'full'

/** Until when a job gets no turn. */
export interface Cooling {
  readonly until: number
  readonly failures: number
  /** A due backup does not wait for what else failed: the plan has its own retry for it. */
  readonly spares: 'backups' | 'nothing'
}

/** When a job is next given a turn after one that came to `result`. */
export function cooled(
  before: Cooling | undefined,
  result: Exclude<TurnResult, 'well' | 'full'>,
): Cooling {
  const failures = (before?.failures ?? 0) + (result === 'busy' ? 0 : 1)
  const wait =
    result === 'busy'
      ? COOLDOWN.busy
      : Math.min(COOLDOWN.first * 2 ** (failures - 1), COOLDOWN.most)
  return {
    until: performance.now() + wait,
    failures,
    spares: result === 'failed' ? 'backups' : 'nothing',
  }
}

/** For how many milliseconds a job still waits; `urgent` when a backup is among what it is owed. */
export function restOf(state: Cooling | undefined, urgency: 'urgent' | 'patient'): number {
  if (!state || (state.spares === 'backups' && urgency === 'urgent')) return 0
  return Math.max(0, state.until - performance.now())
}
