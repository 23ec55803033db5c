import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { act } from '../../src/act/act.ts'
import type { BackupAction } from '../../src/core/action.ts'
import type { InstanceId, Instant, JobId } from '../../src/core/model.ts'
import { parseRedisAddress } from '../../src/core/redis-address.ts'
import { hold } from '../../src/leases/lease.ts'
import { openRedisVotes } from '../../src/leases/redis/votes.ts'
import { slotLock } from '../../src/leases/slot-lock.ts'
import type { World } from '../../src/observe/world.ts'
import { type RedisPlace, startRedis } from '../services/redis.ts'
import { makeWorkspace } from '../support/holdfast.ts'
import { inWorld } from '../support/world.ts'

const CONFIG = `
data_dir: ./state
targets: { one: { type: local, path: ./one } }
jobs:
  files:
    schedule: "* * * * *"
    vardo_job_id: 0b6c
    sources: [{ type: directory, path: ./live }]
    targets: [one]
`
const SLOT = Date.UTC(2026, 10, 20, 2, 0) as Instant
const MINUTE = 60_000
const signal = new AbortController().signal
let place: RedisPlace

beforeAll(async () => {
  place = await startRedis()
})

afterAll(() => place[Symbol.asyncDispose]())

describe('a slot that a Vardo on the same Redis has fired', () => {
  it('is recorded as skipped, and archives nothing', async () => {
    await vardoFires(SLOT)
    await atWork(async (world, events) => {
      await run(dueAt(SLOT), world)
      const { runs, backups, copies } = await world.store.history({ depth: 'full', jobs: null })
      expect(runs).toMatchObject([{ status: 'skipped', slot: SLOT }])
      expect(backups).toMatchObject([
        { status: 'skipped', error: expect.stringContaining('Vardo') },
      ])
      expect(copies).toEqual([])
      expect(events()).toEqual(['backup.skipped'])
    })
  })

  it('is another one than the slot after it', async () => {
    await vardoFires(SLOT)
    await atWork(async (world, events) => {
      await run(dueAt((SLOT + MINUTE) as Instant), world)
      expect(events()).toContain('backup.done')
    })
  })

  it('is tried again all the same where a first attempt was ours', async () => {
    await vardoFires(SLOT)
    const because = { rule: 'retry', slot: SLOT, attempt: 2, of: 3, error: 'disk full' } as const
    await atWork(async (world, events) => {
      await run({ ...dueAt(SLOT), attempt: 2, trigger: 'retry', because }, world)
      expect(events()).toContain('backup.done')
    })
  })

  it('cannot be told from others while Redis is away, and is backed up', async () => {
    await using away = await startRedis()
    await away.servers[0]?.crash()
    await atWork(
      async (world, events) => {
        await run(dueAt(SLOT), world)
        expect(events()).toContain('backup.done')
      },
      away.url,
      300,
    )
  })
})

async function vardoFires(at: Instant): Promise<void> {
  const key = `lock:backup:0b6c:${at / MINUTE}`
  await place.servers[0]?.cli('set', key, '1', 'PX', '61000', 'NX')
}

async function atWork(
  work: (world: World, events: () => readonly string[]) => Promise<void>,
  url = place.url,
  limit = 10_000,
): Promise<void> {
  await using space = await makeWorkspace(CONFIG)
  await space.write({ 'live/file': 'content' })
  const address = parseRedisAddress(url)
  if (address.kind === 'bad') throw new Error(address.why)
  await inWorld(space, async (world, events) => {
    const { instance, now } = world
    const telling = { deployment: 'test', report: () => {}, now, limit }
    const votes = await openRedisVotes({ address, instance: instance as InstanceId, ...telling })
    try {
      const named = () => events.map(({ event }) => event)
      await work({ ...world, slots: slotLock(votes, instance) }, named)
    } finally {
      await votes.close()
    }
  })
}

function dueAt(slot: Instant): BackupAction {
  return {
    kind: 'backup',
    subject: 'files' as JobId,
    sources: ['live'],
    slot,
    attempt: 1,
    trigger: 'schedule',
    because: { rule: 'slot-due', slot },
  }
}

async function run(action: BackupAction, world: World): Promise<void> {
  await hold(world.leases, 'job:files', signal, (lease, held) => act(action, world, lease, held))
}
