import type { Topology } from './places.ts'
import type { Ring } from './ring.ts'
import type { Strike } from './strikes.ts'
import { until } from './wait.ts'

const EVERYWHERE: readonly Topology[] = ['single', 'sentinels', 'cluster']

/** What befalls the servers that the instances share. */
export const STRIKES: readonly Strike[] = [
  { title: 'Redis primary killed', lane: 'servers', on: ['sentinels'], strike: killPrimary },
  { title: 'Redis restarted empty', lane: 'servers', on: ['single', 'cluster'], strike: restart },
  { title: 'Redis emptied', lane: 'servers', on: EVERYWHERE, strike: flush },
  { title: 'PostgreSQL crashed', lane: 'servers', on: EVERYWHERE, strike: crash },
  { title: 'PostgreSQL failed over', lane: 'servers', on: EVERYWHERE, strike: failOver },
]

/** The sentinels promote another one; the dead one comes back and follows that. */
async function killPrimary(ring: Ring): Promise<void> {
  const { servers, sentinels } = ring.deployment.places.redis
  const primary = async () => {
    const told = await sentinels[0]?.cli('sentinel', 'get-master-addr-by-name', 'mymaster')
    return Number(told?.split('\n')[1])
  }
  await somethingBegins(ring)
  const dead = await primary()
  const server = servers.find(({ port }) => port === dead)
  if (!server) throw new Error(`nobody listens on ${dead}`)
  await server.crash()
  await until('the sentinels have another primary', async () => (await primary()) !== dead)
  await server.restart()
  await until('the dead primary follows the new one', async () =>
    (await server.cli('info', 'replication')).includes('role:slave'),
  )
}

/** All of its data is in memory. */
async function restart(ring: Ring): Promise<void> {
  const { dice } = ring
  const server = dice.pick(ring.deployment.places.redis.servers)
  await somethingBegins(ring)
  await server.crash()
  await somethingBegins(ring)
  await server.restart()
}

async function flush(ring: Ring): Promise<void> {
  await somethingBegins(ring)
  // Replicas refuse it: their primary tells them.
  await Promise.allSettled(ring.deployment.places.redis.servers.map((one) => one.flush()))
}

async function crash(ring: Ring): Promise<void> {
  const { database } = ring.deployment.places
  await somethingBegins(ring)
  await awayUntilItAnswers(ring, async () => {
    await database.crash()
    await noticed(ring)
    await database.restart()
  })
}

async function failOver(ring: Ring): Promise<void> {
  await somethingBegins(ring)
  await awayUntilItAnswers(ring, ring.deployment.places.database.failOver)
}

/** A pooler before it may tell for some time that it is away. */
async function awayUntilItAnswers(
  { deployment, outages }: Ring,
  strike: () => Promise<void>,
): Promise<void> {
  const from = Date.now()
  await strike()
  await until('the database answers again', deployment.places.database.answers)
  outages.push({ from, to: Date.now() })
}

async function somethingBegins(ring: Ring): Promise<void> {
  using _prey = await ring.prey()
}

/** Somebody has found out that the database is away, where anybody is there to. */
async function noticed({ deployment }: Ring): Promise<void> {
  const marks = new Map(deployment.members.map((one) => [one, one.lines().length]))
  await until(
    'somebody misses the database',
    () =>
      deployment.members.some((one) =>
        one
          .lines()
          .slice(marks.get(one))
          .some(({ event }) => event === 'state.lost'),
      ),
    8_000,
  ).catch(() => {})
}
