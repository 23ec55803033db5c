import type { World } from '../observe/world.ts'
import type { Control } from './control.ts'
import type { Vitals } from './vitals.ts'

/** A running daemon, as its faces may see it and speak to it. */
export interface Inside {
  /** Asked for each time: a reload makes a new one. */
  readonly world: () => World
  readonly vitals: Vitals
  readonly control: Control
  /** Whether it takes no more slots until it is told to again. */
  readonly isDraining: () => boolean
  /** The variable that asks for a restore at each start, or null. */
  readonly restoreVariable: string | null
}

/**
 * Opens the way in from outside, before anything else is done, and closes it when it is disposed of,
 * in bounded time. Throws `Failure` with code `http_unavailable` for a declared address that cannot be had.
 */
export type Face = (inside: Inside) => Promise<AsyncDisposable>
