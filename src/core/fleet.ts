import type { Secret } from '../lib/secret.ts'
import type { InstanceId, Instant, JobId, Millis } from './model.ts'

/** Where the history is kept. */
export type StateAddress =
  | { readonly kind: 'sqlite' }
  | {
      readonly kind: 'postgres'
      readonly url: Secret
      /** Past a pooler, or null. */
      readonly direct: Secret | null
    }

/** Who this instance is, as declared. */
export interface Identity {
  /** The same after each start; null: the host's name. */
  readonly name: string | null
  readonly labels: readonly string[]
}

/** Where health and metrics are told. */
export interface Http {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** Whether the address was declared: then it must be had. */
  readonly isDeclared: boolean
  readonly token: Secret | null
}

/** One running process of a deployment, as it tells of itself. */
export interface Instance {
  readonly id: InstanceId
  readonly name: string
  readonly kind: 'daemon' | 'command'
  readonly labels: readonly string[]
  readonly host: string
  readonly pid: number
  readonly version: string
  /** By its own clock. */
  readonly startedAt: Instant
  readonly isDraining: boolean
  /** How far its clock is ahead of the database's; negative when behind. */
  readonly skew: Millis
}

/** An instance as the state knows it. */
export interface InstanceSeen extends Instance {
  /** Until when it is taken to live, by the database's clock. */
  readonly until: Instant
  readonly isAlive: boolean
}

/** One of those that share a state, and the names of the leases that it holds. */
export interface InstanceHolding extends InstanceSeen {
  readonly holds: readonly string[]
}

/** A job, or everything, that takes no slots until it is resumed. */
export interface Pause {
  /** `*` is everything. */
  readonly subject: JobId | '*'
  readonly reason: string
  readonly author: string
  readonly at: Instant
}
