import type { Instance, InstanceSeen } from '../core/fleet.ts'
import type { InstanceId, Instant, Millis } from '../core/model.ts'

/** The part of a shared store that leases need. Every length of time is measured by the database's clock. */
export interface SharedState {
  /** The instance lives for `ttl` more, and so do those of its leases that are still its own. */
  beat(life: Instance, held: readonly LeaseNumber[], ttl: Millis): Promise<Beat>
  /** The instance ends, and every lease that it holds. */
  leave(instance: InstanceId): Promise<void>
  instances(): Promise<readonly InstanceSeen[]>
  takeLease(name: string, instance: InstanceId, ttl: Millis): Promise<RowTaken | RowHeld>
  dropLease(lease: LeaseNumber): Promise<void>
  /** The newest number of that lease, or 0. */
  fenceOf(lease: string): Promise<number>
}

export interface LeaseNumber {
  readonly name: string
  readonly fence: number
}

interface Beat {
  /** The database's clock. */
  readonly now: Instant
  /** Names of the leases that are still ours. */
  readonly held: readonly string[]
}

interface RowTaken {
  readonly kind: 'taken'
  readonly fence: number
}

interface RowHeld {
  readonly kind: 'held'
  readonly instance: InstanceId
  readonly until: Instant
}
