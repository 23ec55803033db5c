import type { Cluster, Redis } from 'ioredis'
import type { Report } from '../../core/event.ts'
import type { RedisClient } from './client.ts'

/** How long replicas get to say that they have the lock, in milliseconds. */
const PATIENCE = 300

/**
 * Tells when no replica has the lock of `key` yet: a failover at this moment forgets it. It is then
 * a weaker vote and still one, as the database has the last word. Never throws: not every Redis lets
 * these questions pass.
 */
export async function tellUnacknowledged(
  { ask, driver }: RedisClient,
  key: string,
  lease: string,
  report: Report,
): Promise<void> {
  const isForgettable = await ask(async () => {
    const node = 'slots' in driver ? await nodeOf(key, driver) : driver
    if (!node) return false
    const [, , replicas] = await node.role()
    if (!Array.isArray(replicas) || replicas.length === 0) return false
    return (await node.wait(1, PATIENCE)) === 0
  }).catch(() => false)
  if (!isForgettable) return
  report({
    event: 'redis.unacknowledged',
    level: 'debug',
    message: `no replica of Redis has the lock of ${lease} yet`,
    detail: { lease },
  })
}

/** The node that holds `key`, on the connection that writes it: `WAIT` speaks of that one alone. */
async function nodeOf(key: string, cluster: Cluster): Promise<Redis | undefined> {
  const slot = await cluster.cluster('KEYSLOT', key)
  const address = cluster.slots[slot]?.[0]
  return cluster
    .nodes('master')
    .find(({ options: { host, port } }) => `${host}:${port}` === address)
}
