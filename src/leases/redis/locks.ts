import { randomUUID } from 'node:crypto'
import type { Cluster, Redis } from 'ioredis'
import type Redlock from 'redlock'
import type { InstanceId } from '../../core/model.ts'

/** Locks of one resource each, tried once. Their value begins with the instance, for others to read. */
export async function openLocks(
  driver: Redis | Cluster,
  instance: InstanceId,
): Promise<Pick<Redlock, 'acquire'>> {
  const { default: Redlock } = await import('redlock')
  const redlock = new Redlock([driver], { retryCount: 0 })
  // It draws the value by itself and has no option for it.
  return Object.assign(redlock, { _random: () => `${instance}:${randomUUID()}` })
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
