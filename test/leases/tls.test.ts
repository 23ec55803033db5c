import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { startTlsRedis } from '../services/redis.ts'
import { openFleet } from './fleet.ts'

it('a lease over TLS is in Redis for all to see, once its certificate is known', async () => {
  await using place = await startTlsRedis()
  await using fleet = await openFleet()
  const plain = `redis://127.0.0.1:${place.servers[0]?.port}/0`
  const here = await fleet.open('here', { redis: plain })
  const seen = async (name: string, env: NodeJS.ProcessEnv) => {
    const args = [fleet.folder, name, place.url]
    const file = join(import.meta.dirname, 'deployment-child.ts')
    const child = fork(file, args, { execArgv: [], env: { ...process.env, ...env } })
    try {
      await once(child, 'message')
      return (await here.votes?.take(name))?.kind
    } finally {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
  }
  expect(await seen('job/known', { NODE_EXTRA_CA_CERTS: place.certificate })).toBe('held')
  // The database alone has it then: nobody is talked to whose certificate cannot be checked.
  expect(await seen('job/unknown', { NODE_EXTRA_CA_CERTS: '' })).toBe('taken')
  const keys = await place.servers[0]?.cli('keys', '*lease*')
  expect(keys).toContain('job/known')
})
