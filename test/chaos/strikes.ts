import type { Member } from './member.ts'
import type { Topology } from './places.ts'
import type { Ring } from './ring.ts'
import * as servers from './server-strikes.ts'
import { until } from './wait.ts'

/** What befalls a deployment. Resolves when all of it is well again. */
export interface Strike {
  readonly title: string
  /** Those that take long, those that do not, and those that hit servers come side by side. */
  readonly lane: 'long' | 'short' | 'servers'
  readonly on: readonly Topology[]
  readonly strike: (ring: Ring) => Promise<void>
}

const EVERYWHERE: readonly Topology[] = ['single', 'sentinels', 'cluster']
/** An instance can be cut from Redis only where it does not learn the servers' own addresses. */
const BEHIND_LINKS: readonly Topology[] = ['single']

export const STRIKES: readonly Strike[] = [
  { title: 'stopped beyond its lease', lane: 'long', on: EVERYWHERE, strike: freeze },
  { title: 'cut from both', lane: 'long', on: BEHIND_LINKS, strike: cutBoth },
  { title: 'killed', lane: 'short', on: EVERYWHERE, strike: kill },
  { title: 'two started at once', lane: 'short', on: EVERYWHERE, strike: twins },
  { title: 'cut from Redis', lane: 'short', on: BEHIND_LINKS, strike: cutRedis },
  { title: 'cut from PostgreSQL', lane: 'short', on: EVERYWHERE, strike: cutPostgres },
  { title: 'rolling restart', lane: 'short', on: EVERYWHERE, strike: (ring) => roll(ring, 'same') },
  { title: 'rolling upgrade', lane: 'short', on: EVERYWHERE, strike: (ring) => roll(ring, 'next') },
  ...servers.STRIKES,
]

/** kill -9 in the middle of a backup; the same name comes back at once. */
async function kill(ring: Ring): Promise<void> {
  using prey = await ring.prey()
  const { member } = prey
  const at = Date.now()
  await member.kill()
  await ring.mourn(member, at)
  member.start()
  await member.untilStarted()
}

/** Two that were killed come back at the same millisecond. */
async function twins(ring: Ring): Promise<void> {
  using one = await ring.prey()
  using other = await ring.prey()
  const both = [one.member, other.member]
  const at = Date.now()
  await Promise.all(both.map((member) => member.kill()))
  for (const member of both) await ring.mourn(member, at)
  for (const member of both) member.start()
  await Promise.all(both.map((member) => member.untilStarted()))
}

/** It sleeps until the others take it for dead, and wakes up in the middle of what it did. */
async function freeze(ring: Ring): Promise<void> {
  using prey = await ring.prey()
  const { member } = prey
  const at = Date.now()
  member.freeze()
  try {
    await ring.mourn(member, at)
    await untilDead(ring, member)
  } finally {
    member.wake()
  }
  await untilAlive(ring, member)
}

async function cutBoth(ring: Ring): Promise<void> {
  using prey = await ring.prey()
  const { member } = prey
  const at = Date.now()
  member.toPostgres.die()
  member.toRedis?.stall()
  try {
    await ring.mourn(member, at)
    await untilDead(ring, member)
  } finally {
    member.toPostgres.heal()
    member.toRedis?.heal()
  }
  await untilAlive(ring, member)
}

async function cutRedis(ring: Ring): Promise<void> {
  using prey = await ring.prey()
  const { member } = prey
  const link = member.toRedis
  if (!link) throw new Error(`${member.name} has no link to Redis`)
  const from = member.lines().length
  if (ring.dice.oneIn(2)) link.die()
  else link.stall()
  try {
    await told(member, 'redis.lost', from)
    await goesOn(member)
  } finally {
    link.heal()
  }
  await told(member, 'redis.back', from)
}

async function cutPostgres(ring: Ring): Promise<void> {
  using prey = await ring.prey()
  const {
    member,
    member: { toPostgres: link },
  } = prey
  const others = ring.deployment.members.filter((one) => one !== member)
  const from = member.lines().length
  if (ring.dice.oneIn(2)) link.die()
  else link.stall()
  try {
    await told(member, 'state.lost', from)
    await Promise.race(others.map(goesOn))
  } finally {
    link.heal()
  }
  await told(member, 'state.back', from)
}

/** One after the other is drained, stopped and started again, as the same program or as the next. */
async function roll(ring: Ring, version: 'same' | 'next'): Promise<void> {
  for (const each of ring.deployment.members) {
    using claim = await ring.claim(each)
    const { member } = claim
    const from = Date.now()
    const instance = member.instance() ?? ''
    await member.order('system', 'drain', '--timeout', '60s')
    const { code } = await member.stop()
    ring.drains.push({ instance, name: member.name, from, to: Date.now(), code })
    if (version === 'next') member.upgrade()
    member.start()
    await member.untilStarted()
  }
}

async function told(member: Member, event: string, from: number): Promise<void> {
  await until(`${member.name} tells ${event}`, () =>
    member
      .lines()
      .slice(from)
      .some((line) => line.event === event),
  )
}

/** Until it ends a backup, or for as long as nothing is due. */
async function goesOn(member: Member): Promise<void> {
  const from = member.lines().length
  const limit = performance.now() + 5_000
  const done = () =>
    member
      .lines()
      .slice(from)
      .some(({ event }) => event === 'backup.done')
  await until(`${member.name} goes on`, () => done() || performance.now() > limit)
}

/** Its time is over by the database's clock, and with it that of every lease it held. */
async function untilDead({ deployment }: Ring, member: Member): Promise<void> {
  await until(`${member.name} is taken for dead`, async () => {
    const rows = await deployment.places.database.rows<{ dead: boolean }>(
      `select until < extract(epoch from clock_timestamp()) * 1000 as dead from instances
        where id = '${member.instance()}'`,
    )
    return rows[0]?.dead
  })
}

async function untilAlive({ deployment }: Ring, member: Member): Promise<void> {
  await until(`${member.name} lives again`, async () => {
    const rows = await deployment.places.database.rows<{ alive: boolean }>(
      `select until > extract(epoch from clock_timestamp()) * 1000 as alive from instances
        where id = '${member.instance()}'`,
    )
    return rows[0]?.alive
  })
}
