import { setImmediate } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Millis } from '../../src/core/model.ts'
import { Secret } from '../../src/lib/secret.ts'
import { openPostgresStore, type PostgresStoreOptions } from '../../src/state/postgres.ts'
import { LinkLost } from '../../src/state/postgres-fault.ts'
import type { Store } from '../../src/state/store.ts'
import { startPgBouncer } from '../services/pgbouncer.ts'
import { type PostgresServer, startPostgres } from '../services/postgres.ts'
import { type FaultyLink, startProxy } from '../support/proxy.ts'
import { startCutter } from './cutter.ts'
import { writer } from './writer.ts'

let server: PostgresServer
let link: FaultyLink
let url: string
let opened: Store[]
let troubles: number

beforeAll(async () => {
  server = await startPostgres()
})

afterAll(async () => {
  await server[Symbol.asyncDispose]()
})

beforeEach(async () => {
  link = await startProxy(server.port)
  url = await server.database()
  opened = []
  troubles = 0
})

afterEach(async () => {
  for (const store of opened) await store.close()
  await link[Symbol.asyncDispose]()
})

describe('a state on PostgreSQL', () => {
  it('keeps all that was acknowledged when the server is killed', async () => {
    for (let round = 0; round < 3; round++) {
      const writers = [writer(url, `a${round}`), writer(url, `b${round}`)]
      await Promise.all(writers.map((one) => one.says(5 + round * 7)))
      await server.crash()
      const acknowledged = (await Promise.all(writers.map((one) => one.kill()))).flat()
      await server.start()
      const { backups, copies } = await (await open()).history({ depth: 'full', jobs: null })
      const successes = new Set(backups.filter((b) => b.status === 'success').map((b) => b.id))
      const kept = new Set(copies.map((copy) => copy.backup))
      expect(acknowledged.length).toBeGreaterThan(5)
      expect(acknowledged.filter((id) => !successes.has(id as never))).toEqual([])
      expect([...successes].filter((id) => !kept.has(id))).toEqual([])
    }
  })

  it('loses nothing, and fails at most a commit that was on its way, while its server restarts', async () => {
    const store = await open()
    const saved = saveFacts(store, 300)
    await server.stop()
    await server.start()
    await expectKept(await saved)
    expect(troubles).toBeGreaterThan(0)
  })

  it('does so behind PgBouncer', async () => {
    const pooler = await startPgBouncer(server)
    try {
      const store = await open({ url: new Secret(pooler.through(url)) })
      const saved = saveFacts(store, 100)
      await server.stop()
      await server.start()
      await expectKept(await saved)
      await store.close()
      opened = []
    } finally {
      await pooler[Symbol.asyncDispose]()
    }
  })

  it('goes on with the follower once that is promoted, with all that was acknowledged', async () => {
    const follower = await server.follower()
    try {
      const follows = `select 1 from pg_stat_replication where state = 'streaming'`
      while ((await server.ask(url, follows)).length === 0);
      await server.ask(url, `alter system set synchronous_standby_names = '*'`)
      await server.ask(url, 'select pg_reload_conf()')
      const patient = { read: 3000, write: 15_000 } as never
      const store = await open({ url: new Secret(through(url)), waits: patient })
      for (let n = 0; n < 20; n++) await store.saveFact(`before-${n}`, 'x')
      const late = saveFacts(store, 50)
      link.die()
      // The first try and the second: from now on there are pauses.
      await Promise.race([late, moreTroubles(troubles + 1)])
      await server.crash()
      link.redirect(follower.port)
      const before = troubles
      link.heal()
      // Until it is promoted it answers, and takes no writes.
      await Promise.race([late, moreTroubles(before)])
      await follower.promote()
      const answers = await late
      const kept = new Set(await server.ask(at(follower.port), 'select key from holdfast.facts'))
      const acknowledged = answers.filter(({ error }) => error === null)
      expect(acknowledged.filter(({ key }) => !kept.has(key))).toEqual([])
      expect(kept.has('before-19')).toBe(true)
      await store.saveFact('after', 'x')
      // At most the one whose commit was on its way.
      expect(answers.length - acknowledged.length).toBeLessThanOrEqual(1)
    } finally {
      await follower[Symbol.asyncDispose]()
      await server.start()
      await server.ask(url, 'alter system reset synchronous_standby_names')
      await server.ask(url, 'select pg_reload_conf()')
    }
  })

  it('costs one retry however many connections have broken', async () => {
    const store = await open({ url: new Secret(through(url)) })
    await Promise.all([1, 2, 3, 4].map((n) => store.saveFact(`f${n}`, 'x')))
    expect(link.connections).toBe(4)
    link.freeze()
    troubles = 0
    const began = performance.now()
    await store.saveFact('late', 'x')
    // The wait for one that does not answer, and none for the other three.
    expect(performance.now() - began).toBeLessThan(9_000)
    expect(troubles).toBe(1)
    expect(await store.fact('late')).toBe('x')
  })

  it('waits for a server that is away once, not again for each call that comes later', async () => {
    const store = await open({ url: new Secret(through(url)), patience: 1000 as Millis })
    link.die()
    await expect(store.fact('a')).rejects.toThrow('cannot be reached')
    let before = -1
    while (before !== troubles) {
      before = troubles
      await expect(store.fact('a')).rejects.toThrow('cannot be reached')
    }
    for (let n = 0; n < 20; n++) await expect(store.fact('a')).rejects.toThrow('cannot be reached')
    expect(troubles).toBe(before)
    link.heal()
    expect(await store.fact('a')).toBeNull()
  })

  it('never does twice what may have been committed', async () => {
    const cutter = await startCutter(server.port)
    try {
      const store = await open({
        url: new Secret(url.replace(`:${server.port}/`, `:${cutter.port}/`)),
      })
      cutter.cutAtCommit()
      await expect(store.takeFence('job/shop', 'one' as never)).rejects.toThrow(
        'this may be done or not',
      )
      expect(await store.fenceOf('job/shop')).toBe(1)
    } finally {
      for (const store of opened.splice(0)) await store.close()
      await cutter.close()
    }
  })

  it('gives up what hangs once its time is over, and works on', async () => {
    const store = await open({ patience: 300 as Millis, waits: QUICK })
    const blocker = server.ask(url, `begin; lock table holdfast.facts; select pg_sleep(8); commit`)
    await locked()
    await expect(store.saveFact('a', 'b')).rejects.toThrow('stayed locked by another transaction')
    await blocker
    await store.saveFact('a', 'b')
    link.stall()
    const stalled = await open({ patience: 300 as Millis, waits: QUICK }, true).catch(String)
    expect(stalled).toContain('cannot be reached')
    link.heal()
  })
})

const QUICK = { connect: 2000, write: 10_000, read: 10_000, lock: 400, idle: 10_000 } as never

async function open(more: Partial<PostgresStoreOptions> = {}, isLinked = false): Promise<Store> {
  const store = await openPostgresStore({
    url: new Secret(isLinked ? through(url) : url),
    direct: null,
    onTrouble: (error) => {
      if (error instanceof LinkLost) troubles++
    },
    waits: { read: 3000, write: 3000 } as never,
    ...more,
  })
  opened.push(store)
  return store
}

function through(address: string): string {
  return address.replace(`:${server.port}/`, `:${link.port}/`)
}

function at(port: number): string {
  return url.replace(`:${server.port}/`, `:${port}/`)
}

interface Saved {
  readonly key: string
  readonly error: unknown
}

/** Saves so many facts one after the other, whatever becomes of each. */
function saveFacts(store: Store, count: number) {
  const keys = Array.from({ length: count }, (_, index) => `fact-${index}`)
  return (async () => {
    const saved: Saved[] = []
    for (const key of keys) {
      const error = await store.saveFact(key, 'x').then(
        () => null,
        (thrown: unknown) => thrown,
      )
      saved.push({ key, error })
    }
    return saved
  })()
}

/** What was acknowledged is there. What was not is one at most: nobody can know how its commit ended. */
async function expectKept(saved: readonly Saved[]): Promise<void> {
  const kept = new Set(await server.ask(url, 'select key from holdfast.facts'))
  const failed = saved.filter(({ error }) => error !== null)
  expect(saved.filter(({ key, error }) => error === null && !kept.has(key))).toEqual([])
  expect(failed.length).toBeLessThanOrEqual(1)
  for (const { error } of failed) expect(String(error)).toContain('this may be done or not')
}

/** Resolves once another try is due after a fault that came after the first `count`. */
async function moreTroubles(count: number): Promise<void> {
  while (troubles <= count) await setImmediate()
}

/** Resolves once another transaction has locked the table of facts. */
async function locked(): Promise<void> {
  const ask = `select 1 from pg_locks l join pg_class c on c.oid = l.relation
    where c.relname = 'facts' and l.mode = 'AccessExclusiveLock' and l.granted`
  while ((await server.ask(url, ask)).length === 0);
}
