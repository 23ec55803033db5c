import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Instant } from '../../src/core/model.ts'
import { slotLock } from '../../src/leases/slot-lock.ts'
import { LeaseLost } from '../../src/lib/errors.ts'
import {
  type RedisPlace,
  type RedisServer,
  startCluster,
  startRedis,
  startSentinels,
} from '../services/redis.ts'
import { startProxy } from '../support/proxy.ts'
import { granted, lost, openFleet, TTL, takenOver, told, until } from './fleet.ts'

// The slow ones wait for nothing but their own votes: they start together.
const places = new Map<string, Promise<RedisPlace>>()

beforeAll(async () => {
  places.set('one Redis', startRedis())
  places.set('sentinels', startSentinels())
  places.set('a cluster', startCluster())
  await Promise.all(places.values())
})

afterAll(async () => {
  for (const place of places.values()) await (await place)[Symbol.asyncDispose]()
})

describe.each(['one Redis', 'sentinels', 'a cluster'])('leases with %s', (which) => {
  let place: RedisPlace

  beforeAll(async () => {
    place = (await places.get(which)) ?? fail()
  })

  it('go to exactly one of those who race for them', async () => {
    await using fleet = await openFleet()
    const members = await Promise.all(
      ['one', 'two', 'three'].map((id) => fleet.open(id, { redis: place.url })),
    )
    for (let round = 0; round < 30; round++) {
      const name = `race/${round % 5}`
      const got = await Promise.all(members.map(({ leases }) => leases.acquire(name)))
      const winners = got.filter((one) => one.kind === 'granted')
      expect(winners.length, `round ${round}`).toBeLessThanOrEqual(1)
      for (const winner of winners) await winner.release()
      await (await granted(members[round % 3]?.leases ?? fail(), name)).release()
    }
    for (const one of members) {
      expect(one.leases.state().redis).toBe('reached')
      // A replica may lag on a busy machine.
      expect(one.events.filter(({ event }) => event !== 'redis.unacknowledged')).toEqual([])
    }
  })

  it('are asked of Redis first, which names the holder', async () => {
    await using fleet = await openFleet()
    const one = await fleet.open('one', { redis: place.url })
    const two = await fleet.open('two', { redis: place.url })
    const lease = await granted(one.leases, 'job/a')
    await fleet.store.dropLease({ name: 'job/a', fence: lease.fence })
    expect(await two.leases.acquire('job/a')).toEqual({
      kind: 'busy',
      holder: `instance one-name (pid ${process.pid} on here)`,
    })
    await lease.release()
    await granted(two.leases, 'job/a')
  })

  it('stay with their holder when Redis forgets everything', async () => {
    await using fleet = await openFleet()
    const one = await fleet.open('one', { redis: place.url })
    const two = await fleet.open('two', { redis: place.url })
    const lease = await granted(one.leases, 'job/b')
    for (const server of await primariesOf(place)) await server.flush()
    expect(await two.leases.acquire('job/b')).toMatchObject({ kind: 'busy' })
    await one.leases.beat()
    expect(await two.votes?.take('job/b')).toEqual({ kind: 'held', instance: one.id })
    expect(await two.votes?.isAlive(one.id)).toBe(true)
    await lease.confirm()
    await lease.release()
    await granted(two.leases, 'job/b')
  })

  it('let a Vardo fire a slot, and another one of ours take it over', async () => {
    await using fleet = await openFleet()
    const one = await fleet.open('one', { redis: place.url })
    const two = await fleet.open('two', { redis: place.url })
    const votes = [one.votes ?? fail(), two.votes ?? fail()]
    const [mine, theirs] = votes.map((of, index) => slotLock(of, `${index}`))
    const at = Date.UTC(2026, 10, 20, 2, 0) as Instant
    expect(await mine?.takeSlot({ job: 'x', at })).toBe('taken')
    expect(await theirs?.takeSlot({ job: 'x', at })).toBe('taken')
    const key = `lock:backup:y:${at / 60_000}`
    for (const server of await primariesOf(place))
      await server.cli('set', key, '1', 'PX', '61000', 'NX')
    expect(await mine?.takeSlot({ job: 'y', at: (at + 59_000) as Instant })).toBe('vardo')
    expect(await mine?.takeSlot({ job: 'y', at: (at + 60_000) as Instant })).toBe('taken')
  })
})

describe.concurrent('leases while Redis is away', () => {
  it.each(['die', 'stall'] as const)('are decided by the database alone: %s', async (way) => {
    await using place = await startRedis()
    await using fleet = await openFleet()
    await using link = await startProxy(place.servers[0]?.port ?? 0)
    const redis = `redis://127.0.0.1:${link.port}`
    const one = await fleet.open('one', { redis })
    const two = await fleet.open('two', { redis })
    const before = await granted(one.leases, 'job/before')
    link[way]()
    const during = await granted(one.leases, 'job/during')
    for (const name of ['job/before', 'job/during'])
      expect(await two.leases.acquire(name)).toMatchObject({ kind: 'busy' })
    expect(await two.leases.isAlive(one.id)).toBe(true)
    expect(
      await slotLock(one.votes ?? fail(), 'one').takeSlot({ job: 'x', at: 0 as Instant }),
    ).toBe('unknown')
    await one.leases.beat()
    await before.confirm()
    expect(one.leases.state().redis).toBe('away')
    expect(told(one, 'redis.lost')).toBe(1)
    link.heal()
    await until(() => told(one, 'redis.back') === 1)
    await one.leases.beat()
    // The lock that could not be had then is there now.
    expect(await two.votes?.take('job/during')).toEqual({ kind: 'held', instance: one.id })
    expect(before.signal.aborted || during.signal.aborted).toBe(false)
    await during.release()
    await granted(two.leases, 'job/during')
  })

  it('stay where they are when Redis crashes and comes back empty', async () => {
    await using place = await startRedis()
    await using fleet = await openFleet()
    const one = await fleet.open('one', { redis: place.url })
    const two = await fleet.open('two', { redis: place.url })
    const lease = await granted(one.leases, 'job/a')
    await place.servers[0]?.crash()
    await place.servers[0]?.restart()
    await until(async () => {
      expect(await two.leases.acquire('job/a')).toMatchObject({ kind: 'busy' })
      const lock = await place.servers[0]?.cli('get', 'holdfast:test:lease:job/a')
      return lock?.startsWith('one:') === true
    })
    await lease.confirm()
  })

  it('open on a Redis that was never there', async () => {
    await using place = await startRedis()
    await using fleet = await openFleet()
    await place.servers[0]?.crash()
    const one = await fleet.open('one', { redis: place.url })
    await (await granted(one.leases, 'job/a')).release()
    expect(told(one, 'redis.lost')).toBe(1)
  })
})

describe.concurrent('leases while the database is away', () => {
  let place: RedisPlace

  beforeAll(async () => {
    place = await startRedis()
  })

  afterAll(() => place[Symbol.asyncDispose]())

  it.each(['cut', 'stall'] as const)('go on as Redis vouches for them: %s', async (way) => {
    await using fleet = await openFleet()
    const one = await fleet.open('one', { redis: place.url })
    const two = await fleet.open('two', { redis: place.url })
    const lease = await granted(one.leases, `job/${way}`)
    one.database[way]()
    const confirming = lease.confirm().then(() => 'confirmed')
    const end = performance.now() + 2 * TTL
    await until(async () => {
      expect(await two.leases.acquire(`job/${way}`)).toMatchObject({ kind: 'busy' })
      return performance.now() > end
    })
    expect(await Promise.race([confirming, Promise.resolve('waiting')])).toBe('waiting')
    expect(lease.signal.aborted).toBe(false)
    expect(await two.leases.isAlive(one.id)).toBe(true)
    one.database.heal()
    expect(await confirming).toBe('confirmed')
    expect(told(one, 'state.lost')).toBe(1)
    await lease.release()
  })

  it('are lost within their time by who is cut off from Redis, too', async () => {
    await using fleet = await openFleet()
    await using link = await startProxy(place.servers[0]?.port ?? 0)
    const one = await fleet.open('one', { redis: `redis://127.0.0.1:${link.port}` })
    const two = await fleet.open('two', { redis: place.url })
    const lease = await granted(one.leases, 'job/both')
    const confirming = lease.confirm()
    one.database.cut()
    link.die()
    await confirming
    const { lease: next } = await takenOver(two.leases, 'job/both')
    expect(lease.signal.reason).toBeInstanceOf(LeaseLost)
    await expect(lease.confirm()).rejects.toThrow(LeaseLost)
    await until(async () => !(await two.leases.isAlive(one.id)))
    await next.confirm()
  })

  it('are not vouched for anew by a Redis that forgot them: another one may have had them', async () => {
    await using own = await startRedis()
    await using fleet = await openFleet()
    const one = await fleet.open('one', { redis: own.url })
    const lease = await granted(one.leases, 'job/forgotten')
    one.database.cut()
    await own.servers[0]?.flush()
    expect(await lost(lease)).toMatchObject({
      message: expect.stringContaining('nobody could renew'),
    })
    one.database.heal()
    await expect(lease.confirm()).rejects.toThrow(LeaseLost)
  })

  it('are given up after a while, and so is the life of their holder', async () => {
    await using fleet = await openFleet()
    const limits = { patience: 2 * TTL }
    const one = await fleet.open('one', { redis: place.url, limits })
    const two = await fleet.open('two', { redis: place.url })
    const lease = await granted(one.leases, 'job/long')
    one.database.cut()
    const confirming = lease.confirm()
    await expect(confirming).rejects.toThrow('the database could not be reached for too long')
    expect(await lost(lease)).toBeInstanceOf(LeaseLost)
    await until(async () => !(await two.leases.isAlive(one.id)))
    await lease.release()
    await takenOver(two.leases, 'job/long')
  })
})

describe('a lock in Redis', () => {
  it('is told to be a weak one while no replica has it', async () => {
    const place = (await places.get('sentinels')) ?? fail()
    await using fleet = await openFleet()
    const primary = await primaryOf(place)
    const replicas = place.servers.filter((one) => one !== primary)
    // Straight to the primary: its sentinels would find that it has no replicas left.
    const one = await fleet.open('one', { redis: `redis://127.0.0.1:${primary.port}` })
    await until(async () => {
      const before = told(one, 'redis.unacknowledged')
      await (await granted(one.leases, 'job/strong')).release()
      return told(one, 'redis.unacknowledged') === before
    })
    const from = one.events.length
    for (const replica of replicas) replica.stall()
    try {
      const lease = await granted(one.leases, 'job/weak')
      expect(one.events.slice(from)).toMatchObject([
        { event: 'redis.unacknowledged', level: 'debug', detail: { lease: 'job/weak' } },
      ])
      await lease.confirm()
    } finally {
      for (const replica of replicas) replica.revive()
    }
  })

  it('is taken under a user and a password, which nothing tells', async () => {
    await using place = await startRedis({ user: 'me', password: 'hush/hush@%' })
    await using fleet = await openFleet()
    const one = await fleet.open('one', { redis: place.url })
    await granted(one.leases, 'job/a')
    expect(one.leases.state().redis).toBe('reached')
    const wrong = place.url.replace('hush%2Fhush', 'hunter2')
    const two = await fleet.open('two', { redis: wrong })
    await granted(two.leases, 'job/b')
    expect(told(two, 'redis.lost')).toBe(1)
    expect(JSON.stringify([...one.events, ...two.events])).not.toMatch(/hush|hunter2/)
    expect(two.events[0]?.error?.message).toContain('WRONGPASS')
  })
})

describe('leases with sentinels', () => {
  it('outlive a primary that is killed, and then one that hangs', async () => {
    const place = (await places.get('sentinels')) ?? fail()
    await using fleet = await openFleet()
    const one = await fleet.open('one', { redis: place.url })
    const two = await fleet.open('two', { redis: place.url })
    const lease = await granted(one.leases, 'job/a')
    // Two of three still agree on who the primary is.
    await place.sentinels[2]?.crash()
    const members = [one, two]
    const failovers = () => members.map(({ leases }) => leases.state().failovers)
    for (const way of ['crash', 'stall'] as const) {
      // On a busy machine the sentinels may take a primary for dead that nobody struck.
      const before = failovers()
      const primary = await primaryOf(place)
      await primary[way]()
      await until(async () => {
        expect(await two.leases.acquire('job/a')).toMatchObject({ kind: 'busy' })
        const isOver = failovers().every((count, index) => count > (before[index] ?? 0))
        return isOver && members.every(({ leases }) => leases.state().redis === 'reached')
      })
      await lease.confirm()
      await one.leases.beat()
      expect(await two.votes?.take('job/a')).toEqual({ kind: 'held', instance: one.id })
      expect(told(one, 'redis.failover')).toBeGreaterThan(before[0] ?? 0)
      if (way !== 'crash') continue
      await primary.restart()
      // The sentinel that is asked may be the last to hear who was promoted.
      await until(async () => (await primaryOf(place)) !== primary)
    }
  })
})

const primariesOf = async (place: RedisPlace) =>
  place.sentinels.length > 0 ? [await primaryOf(place)] : place.servers

async function primaryOf({ servers, sentinels }: RedisPlace): Promise<RedisServer> {
  const told = await sentinels[0]?.cli('sentinel', 'get-master-addr-by-name', 'mymaster')
  const port = Number(told?.split('\n')[1])
  return servers.find((one) => one.port === port) ?? fail()
}

function fail(): never {
  throw new Error('it is not there')
}
