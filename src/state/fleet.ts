import type { Instance, InstanceSeen, Pause } from '../core/fleet.ts'
import type { InstanceId, Instant, JobId, Millis } from '../core/model.ts'

/**
 * Who is there, who holds what, and what is paused: what instances that share a state tell each
 * other. Every length of time is measured by the database's clock alone.
 */
export interface FleetStore {
  /**
   * The instance lives for `ttl` more, and so do those leases of `held` that are still its own and
   * have their number; the answer names them.
   */
  beat(life: Instance, held: readonly HeldLease[], ttl: Millis): Promise<Beat>
  /** The instance ends: its row goes, and every lease that it holds. Doing so twice succeeds. */
  leave(instance: InstanceId): Promise<void>
  /** All that are known, those that ended without a word for a day after. By name, then id. */
  instances(): Promise<readonly InstanceSeen[]>

  /**
   * Takes the lease when nobody holds it or its holder's time is over, with the next number of its
   * name. One that the same instance holds is busy, too.
   */
  takeLease(name: string, instance: InstanceId, ttl: Millis): Promise<LeaseTaken | LeaseHeld>
  /** Lets go of the lease if it still has that number. */
  dropLease(lease: HeldLease): Promise<void>
  /** Leases whose time is not over, by name. */
  leases(): Promise<readonly LeaseSeen[]>

  pauses(): Promise<readonly Pause[]>
  /** Replaces what was said of the same subject. */
  savePause(pause: Pause): Promise<void>
  removePause(subject: JobId | '*'): Promise<void>
}

export interface HeldLease {
  readonly name: string
  readonly fence: number
}

export interface LeaseSeen extends HeldLease {
  readonly instance: InstanceId
  readonly until: Instant
}

export interface LeaseTaken {
  readonly kind: 'taken'
  readonly fence: number
}

export interface LeaseHeld {
  readonly kind: 'held'
  readonly instance: InstanceId
  /** By the database's clock. */
  readonly until: Instant
}

export interface Beat {
  /** The database's clock. */
  readonly now: Instant
  /** Names of the leases that are still ours. */
  readonly held: readonly string[]
}
