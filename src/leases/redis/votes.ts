import type { Cluster, Redis } from 'ioredis'
import type { Lock } from 'redlock'
import type { Report } from '../../core/event.ts'
import type { InstanceId, Instant } from '../../core/model.ts'
import { type RedisAddress, redisHosts } from '../../core/redis-address.ts'
import { type Reach, watchReach } from '../reach.ts'
import type { KeyHeld, KeyTaken, Vote, VoteAway, VoteHeld, Votes, VoteTaken } from '../votes.ts'
import { type Ask, askNoting } from './ask.ts'
import { openClient, type RedisClient } from './client.ts'
import { openLocks, ownerIn } from './locks.ts'
import { tellUnacknowledged } from './replicas.ts'

export interface RedisVotesOptions {
  readonly address: RedisAddress
  readonly instance: InstanceId
  /** Instances of other deployments may share the Redis. */
  readonly deployment: string
  readonly report: Report
  readonly now: () => Instant
  /** Time of a lease, in milliseconds. */
  readonly ttl?: number
  /** How long a command may take, in milliseconds. */
  readonly limit?: number
}

const TTL = 30_000
const LIMIT = 1_500

/**
 * Votes kept in Redis, or in Valkey. Resolves before it is connected: a Redis that is away is no
 * error. Keys are `holdfast:{deployment}:lease:{name}`, with the instance in their value, and
 * `holdfast:{deployment}:life:{instance}`.
 */
export async function openRedisVotes(options: RedisVotesOptions): Promise<Votes> {
  const { address, instance, deployment, report, ttl = TTL, limit = LIMIT } = options
  const reach = reachOf(options, ttl)
  const client = await openClient(address, { limit, onFailover: () => tellFailover(options) })
  const { driver } = client
  const ask = askNoting(client, reach)
  const takeLock = await lockTaker({ client, ask, instance, report, ttl })
  const lifeKey = (id: InstanceId) => `holdfast:${deployment}:life:${id}`
  return {
    take: (name) => takeLock(`holdfast:${deployment}:lease:${name}`, name),
    takeKey: (key, value, millis) => takeKey({ driver, ask }, key, value, millis),
    async live() {
      const said = await ask(() => driver.set(lifeKey(instance), '1', 'PX', ttl))
      return said.kind === 'answered'
    },
    async isAlive(id) {
      const answer = await ask(() => driver.exists(lifeKey(id)))
      return answer.kind === 'answered' ? answer.value === 1 : 'away'
    },
    state: () => ({ reach: reach.state().kind, failovers: client.failovers() }),
    async close() {
      await client.ask(() => driver.del(lifeKey(instance))).catch(() => {})
      client.close()
    },
  }
}

interface Taking {
  readonly client: RedisClient
  readonly ask: Ask
  readonly instance: InstanceId
  readonly report: Report
  readonly ttl: number
}

async function lockTaker({ client, ask, instance, report, ttl }: Taking) {
  const locks = await openLocks(client.driver, instance)
  return async (key: string, name: string): Promise<VoteTaken | VoteHeld | VoteAway> => {
    const lock = await ask(
      () => locks.acquire(key, ttl),
      (late) => void late.release().catch(() => {}),
    )
    if (lock.kind === 'away') return lock
    if (lock.kind === 'answered') {
      await tellUnacknowledged(client, key, name, report)
      return { kind: 'taken', vote: voteOn(lock.value, ask, ttl) }
    }
    const held = await ask(() => client.driver.get(key))
    if (held.kind !== 'answered') return { kind: 'away' }
    if (held.value === null) return { kind: 'held', instance: null }
    const owner = ownerIn(held.value)
    if (owner !== instance) return { kind: 'held', instance: owner }
    // What an answer that never came has left: who asks for it holds nothing of that name.
    const vote = voteOn(locks.known(key, held.value), ask, ttl)
    const extended = await vote.extend()
    if (extended === 'extended') return { kind: 'taken', vote }
    return extended === 'away' ? { kind: 'away' } : { kind: 'held', instance: null }
  }
}

function voteOn(first: Lock, ask: Ask, ttl: number): Vote {
  let lock = first
  return {
    async extend() {
      // The server knows when it ends; the driver of locks would go by our wall clock.
      lock.expiration = Number.POSITIVE_INFINITY
      const extended = await ask(() => lock.extend(ttl))
      if (extended.kind === 'away') return 'away'
      if (extended.kind === 'locked') return 'lost'
      lock = extended.value
      return 'extended'
    },
    async release() {
      await ask(() => lock.release())
    },
  }
}

interface Asking {
  readonly driver: Redis | Cluster
  readonly ask: Ask
}

async function takeKey(
  { driver, ask }: Asking,
  key: string,
  value: string,
  millis: number,
): Promise<KeyTaken | KeyHeld | VoteAway> {
  for (;;) {
    const taken = await ask(() => driver.set(key, value, 'PX', millis, 'NX'))
    if (taken.kind !== 'answered') return { kind: 'away' }
    if (taken.value === 'OK') return { kind: 'taken' }
    const found = await ask(() => driver.get(key))
    if (found.kind !== 'answered') return { kind: 'away' }
    if (found.value !== null) return { kind: 'held', value: found.value }
    // It ended between the two questions.
  }
}

function reachOf({ address, report, now }: RedisVotesOptions, ttl: number): Reach {
  const hosts = redisHosts(address)
  return watchReach({
    report,
    now,
    // Longer than from one heartbeat to the next: of a cluster, one part may be away.
    settle: ttl / 2,
    lost: {
      event: 'redis.lost',
      level: 'warn',
      message: `cannot reach Redis at ${hosts}: the database alone decides who acts`,
    },
    back: { event: 'redis.back', level: 'info', message: `Redis at ${hosts} answers again` },
  })
}

function tellFailover({ address, report }: RedisVotesOptions): void {
  report({
    event: 'redis.failover',
    level: 'info',
    message: `another server is the primary of Redis at ${redisHosts(address)} now`,
  })
}
