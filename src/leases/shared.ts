import type { Report } from '../core/event.ts'
import type { Instance } from '../core/fleet.ts'
import type { Instant } from '../core/model.ts'
import { parseRedisAddress } from '../core/redis-address.ts'
import { Refused } from '../lib/errors.ts'
import type { Secret } from '../lib/secret.ts'
import { type DeploymentLeases, openDeploymentLeases } from './deployment.ts'
import type { SharedState } from './shared-state.ts'
import { type SlotLock, slotLock } from './slot-lock.ts'

export interface SharedLeasesOptions {
  readonly store: SharedState
  /** `redis` of the config, or null. */
  readonly redis: Secret | null
  readonly deployment: string
  /** This instance as it tells of itself now. Its id stays the same, its skew is filled in. */
  readonly life: () => Instance
  readonly report: Report
  readonly now: () => Instant
}

export interface SharedLeases {
  /** To be closed before the store is. Takes the connections to Redis with it. */
  readonly leases: DeploymentLeases
  /** Null without Redis. */
  readonly slots: SlotLock | null
}

/** The leases of instances that share a database. Throws `StateRefused` when it cannot be reached. */
export async function openSharedLeases(options: SharedLeasesOptions): Promise<SharedLeases> {
  const { store, redis, deployment, life, report, now } = options
  const instance = life().id
  const common = { store, life, report, now }
  if (redis === null)
    return { leases: await openDeploymentLeases({ ...common, votes: null }), slots: null }
  const address = parseRedisAddress(redis.reveal())
  if (address.kind === 'bad') throw new Refused(`redis is no address of Redis: ${address.why}`)
  // Loaded here: an instance without Redis does not pay for it.
  const { openRedisVotes } = await import('./redis/votes.ts')
  const votes = await openRedisVotes({ address, instance, deployment, report, now })
  const leases = await openDeploymentLeases({ ...common, votes })
  return { leases, slots: slotLock(votes, instance) }
}
