import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { InstanceId } from '../../src/core/model.ts'
import { type RedisPlace, startRedis } from '../services/redis.ts'
import type { Told } from './deployment-child.ts'
import { openFleet, TTL, takenOver, until } from './fleet.ts'

let place: RedisPlace
const children: ChildProcess[] = []

beforeAll(async () => {
  place = await startRedis()
})

afterAll(async () => {
  for (const child of children) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  await place[Symbol.asyncDispose]()
})

describe.concurrent.each([
  ['the database alone', false],
  ['the database and Redis', true],
])('a lease of another process, with %s', (_, withRedis) => {
  const options = () => (withRedis ? { redis: place.url } : {})

  it('ends within its time when that process is killed, and so does its life', async () => {
    await using fleet = await openFleet()
    const here = await fleet.open('here', options())
    const { child } = await start(fleet.folder, 'job/killed', options().redis)
    const id = `child-${child.pid}` as InstanceId
    expect(await here.leases.acquire('job/killed')).toMatchObject({ kind: 'busy' })
    expect(await here.leases.isAlive(id)).toBe(true)
    child.kill('SIGKILL')
    await once(child, 'exit')
    const { lease, waited } = await takenOver(here.leases, 'job/killed')
    // Its last heartbeat may be as old as nothing: a whole time from now on, and what asking takes.
    expect(waited).toBeLessThan(2 * TTL)
    await until(async () => !(await here.leases.isAlive(id)))
    await lease.confirm()
  })

  it('is lost, and confirms nothing more, when that process wakes up too late', async () => {
    await using fleet = await openFleet()
    const here = await fleet.open('here', options())
    const { child, fence } = await start(fleet.folder, 'job/stopped', options().redis)
    child.send('stop')
    await next(child, 'stopping')
    const { lease } = await takenOver(here.leases, 'job/stopped')
    const takenAt = Date.now()
    expect(lease.fence).toBeGreaterThan(fence)
    const waking = next(child, 'lost')
    child.kill('SIGCONT')
    const { code, lastAt } = await waking
    expect(code).toBe('lease_lost')
    expect(lastAt).toBeLessThan(takenAt)
    await lease.confirm()
  })

  it('is lost when that process wakes up too late, also where nobody took it', async () => {
    await using fleet = await openFleet()
    const { child } = await start(fleet.folder, 'job/alone', options().redis)
    child.send('stop')
    await next(child, 'stopping')
    await until(async () => (await fleet.store.leases()).length === 0)
    const endedAt = Date.now()
    const waking = next(child, 'lost')
    child.kill('SIGCONT')
    const { lastAt } = await waking
    expect(lastAt).toBeLessThan(endedAt)
  })
})

async function start(folder: string, name: string, redis = '') {
  const args = [folder, name, redis]
  const child = fork(join(import.meta.dirname, 'deployment-child.ts'), args, { execArgv: [] })
  children.push(child)
  const { fence } = await next(child, 'granted')
  return { child, fence }
}

async function next<K extends Told['kind']>(child: ChildProcess, kind: K) {
  for (;;) {
    const [told] = (await once(child, 'message')) as [Told]
    if (told.kind === kind) return told as Extract<Told, { kind: K }>
  }
}
