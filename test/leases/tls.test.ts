import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { startTlsRedis } from '../services/redis.ts'
import { openFleet, until } from './fleet.ts'

it('a lease over TLS is in Redis for all to see, once its certificate is known', async () => {
  await using place = await startTlsRedis()
  await using fleet = await openFleet()
  const plain = `redis://127.0.0.1:${place.servers[0]?.port}/0`
  const here = await fleet.open('here', { redis: plain })
  const leasesThere = async () => (await place.servers[0]?.cli('keys', '*lease*')) ?? ''
  const seen = async (name: string, env: NodeJS.ProcessEnv) => {
    const args = [fleet.folder, name, place.url]
    const file = join(import.meta.dirname, 'deployment-child.ts')
    const child = fork(file, args, { execArgv: [], env: { ...process.env, ...env } })
    try {
      await once(child, 'message')
      // On a busy machine the first link may come late: the next heartbeat brings the lease to Redis.
      if (env.NODE_EXTRA_CA_CERTS) await until(async () => (await leasesThere()).includes(name))
      return (await here.votes?.take(name))?.kind
    } finally {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
  }
  expect(await seen('job/known', { NODE_EXTRA_CA_CERTS: place.certificate })).toBe('held')
  // The database alone has it then: nobody is talked to whose certificate cannot be checked.
  expect(await seen('job/unknown', { NODE_EXTRA_CA_CERTS: '' })).toBe('taken')
  expect(await leasesThere()).toContain('job/known')
})
