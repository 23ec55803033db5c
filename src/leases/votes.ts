import type { InstanceId } from '../core/model.ts'

/**
 * The second voice beside the database: it is asked first, because asking costs it little, and it
 * vouches for a holder whom the database cannot be asked about. It never has the last word, so
 * nothing here throws: what cannot be had is `away`.
 */
export interface Votes {
  /**
   * Takes the lock of `name` for the time of a lease, also one that this instance has there already:
   * it asks only for what it does not hold.
   */
  take(name: string): Promise<VoteTaken | VoteHeld | VoteAway>
  /** This instance lives for the time of a lease more; false when it could not be said. */
  live(): Promise<boolean>
  /** Whether that instance said within the time of a lease that it lives. */
  isAlive(instance: InstanceId): Promise<boolean | 'away'>
  /** Takes a key that nobody lets go of again; it ends by itself. Tells the value that is in the way. */
  takeKey(key: string, value: string, millis: number): Promise<KeyTaken | KeyHeld | VoteAway>
  state(): VotesState
  /** Ends this instance's life, and every connection. What is still held ends by itself. */
  close(): Promise<void>
}

/** The lock of one lease. */
export interface Vote {
  /** Renews it. `lost`: it is not ours any more, by its end or because everything was forgotten. */
  extend(): Promise<'extended' | 'lost' | 'away'>
  /** Letting go of what was lost succeeds. */
  release(): Promise<void>
}

export interface VoteTaken {
  readonly kind: 'taken'
  readonly vote: Vote
}

export interface VoteHeld {
  readonly kind: 'held'
  /** Null when it was let go of meanwhile. */
  readonly instance: InstanceId | null
}

export interface VoteAway {
  readonly kind: 'away'
}

export interface KeyTaken {
  readonly kind: 'taken'
}

export interface KeyHeld {
  readonly kind: 'held'
  readonly value: string
}

export interface VotesState {
  readonly reach: 'reached' | 'away'
  /** How often another server became the primary, as seen from here. */
  readonly failovers: number
}
