import { randomUUID } from 'node:crypto'
import type { Cluster, Redis } from 'ioredis'
import type { Lock } from 'redlock'
import type { InstanceId } from '../../core/model.ts'

/** Locks of one resource each, tried once. Their value begins with the instance, for others to read. */
export interface Locks {
  acquire(key: string, ttl: number): Promise<Lock>
  /** The lock of that value, without asking for it. */
  known(key: string, value: string): Lock
}

export async function openLocks(driver: Redis | Cluster, instance: InstanceId): Promise<Locks> {
  const { default: Redlock, Lock } = await import('redlock')
  const redlock = new Redlock([driver], { retryCount: 0 })
  // It draws the value by itself and has no option for it.
  Object.assign(redlock, { _random: () => `${instance}:${randomUUID()}` })
  return {
    acquire: (key, ttl) => redlock.acquire([key], ttl),
    known: (key, value) => new Lock(redlock, [key], value, [], 0),
  }
}

/** Whose lock has that value. */
export function ownerIn(value: string): InstanceId {
  return value.slice(0, value.lastIndexOf(':')) as InstanceId
}

/** Whether locks failed because of what stands in Redis, not because it could not be asked. */
export async function isLocked(error: unknown): Promise<boolean> {
  const { ExecutionError, ResourceLockedError } = await import('redlock')
  if (!(error instanceof ExecutionError)) return false
  const votes = await Promise.all(error.attempts)
  return votes.some(({ votesAgainst }) =>
    [...votesAgainst.values()].some((cause) => cause instanceof ResourceLockedError),
  )
}
