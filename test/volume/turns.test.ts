import { execFileSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { backup } from '../../src/act/backup.ts'
import { resolveRequest } from '../../src/act/resolve-request.ts'
import { restore } from '../../src/act/restore.ts'
import type { RestoreOrder } from '../../src/act/restore-order.ts'
import type { JobId } from '../../src/core/model.ts'
import { recover } from '../../src/daemon/recover.ts'
import { hold } from '../../src/leases/lease.ts'
import { Interrupted } from '../../src/lib/errors.ts'
import type { World } from '../../src/observe/world.ts'
import type { Staging } from '../../src/sources/source.ts'
import { type DockerEngine, startDocker } from '../services/docker.ts'
import { makeWorkspace, type Workspace } from '../support/holdfast.ts'
import { inWorld } from '../support/world.ts'
import { dying, makeVolume, runUser, stateOf } from './support.ts'

let docker: DockerEngine
const never = new AbortController().signal

beforeAll(async () => {
  docker = await startDocker(['debian'])
}, 120_000)
afterAll(() => docker[Symbol.asyncDispose]())

/** A volume with a file, and two jobs of it. */
async function shared(name: string, options = '', more = ''): Promise<Workspace> {
  const at = await makeVolume(docker, name)
  await writeFile(at('a'), 'backed up')
  const source = `{ type: volume, volume: ${name}`
  return await makeWorkspace(
    [
      'data_dir: ./state',
      `docker: { host: "${docker.host}", discover: false }`,
      'targets: { shelf: { type: local, path: ./shelf } }',
      'jobs:',
      `  one: { sources: [${source}${options} }], targets: [shelf] }`,
      `  two: { sources: [${source}${options}${more} }], targets: [shelf] }`,
    ].join('\n'),
  )
}

interface Watched {
  readonly world: World
  /** How often somebody asked for it, by lease of an engine. */
  readonly asked: Map<string, number>
}

/** The real world, its leases counted as they are asked for. */
async function watching(work: Workspace, deed: (watched: Watched) => Promise<void>): Promise<void> {
  await inWorld(work, async (world) => {
    const asked = new Map<string, number>()
    const acquire: typeof world.leases.acquire = async (name) => {
      if (name.startsWith('docker:')) asked.set(name, (asked.get(name) ?? 0) + 1)
      return await world.leases.acquire(name)
    }
    const { isAlive, close, instance } = world.leases
    await deed({ world: { ...world, leases: { acquire, isAlive, close, instance } }, asked })
  })
}

/** Resolves to the status of the one source. */
async function backUp(job: string, world: World, signal = never): Promise<string | undefined> {
  const turn = await hold(world.leases, `job:${job}`, signal, (lease, held) => {
    const because = { rule: 'requested', by: 'command' } as const
    const source = world.desired.jobs.find(({ id }) => id === job)?.sources[0]?.name ?? ''
    const order = { subject: job as JobId, sources: [source], slot: null, because }
    const action = {
      ...order,
      kind: 'backup',
      attempt: 1,
      trigger: 'manual',
      runName: null,
    } as const
    return backup(action, world, lease, held)
  })
  return turn.kind === 'held' ? turn.value.backups[0]?.backup.status : turn.kind
}

/** The order with `before` done once all is staged. */
function pausing(order: RestoreOrder, before: () => Promise<void>): RestoreOrder {
  const { source } = order
  const stage: typeof source.stage = async (...words) => {
    const staging: Staging = await source.stage(...words)
    const finish: Staging['finish'] = async (...end) => {
      await before()
      return await staging.finish(...end)
    }
    return { ...staging, finish }
  }
  return { ...order, source: { ...source, stage } }
}

/** Somebody asked for a volume who did not get it, and asks again. */
const isWaiting = ({ asked }: Watched) =>
  [...asked].some(([name, times]) => name.includes(':volume:') && times >= 4)

const untilWaiting = (watched: Watched) =>
  vi.waitUntil(() => isWaiting(watched), { timeout: 20_000, interval: 20 })

const helpers = async () =>
  (await docker.docker('ps', '--quiet', '--filter', 'label=holdfast.helper')).split('\n')

describe('a volume of two jobs', () => {
  it.each(['path', 'helper'])(
    'is backed up only once the restore of it is over, via %s',
    async (via) => {
      const name = `turns-${via}`
      await using work = await shared(name, `, via: ${via}`)
      await watching(work, async (watched) => {
        const { world, asked } = watched
        expect(await backUp('one', world)).toBe('success')
        await writeFile(`${docker.volume(name)}/a`, 'changed')
        asked.clear()
        const staged = Promise.withResolvers<void>()
        const goOn = Promise.withResolvers<void>()
        const order = pausing(await resolveRequest(`one/${name}`, world, never), async () => {
          staged.resolve()
          await goOn.promise
        })
        // Whoever waited is not refused for a row that is still open.
        const over = Promise.withResolvers<void>()
        const closeRestore: typeof world.store.closeRestore = async (...end) => {
          await over.promise
          return await world.store.closeRestore(...end)
        }
        const late = { ...world, store: { ...world.store, closeRestore } }
        const restoring = restore(order, late, never)
        await Promise.race([staged.promise, restoring])
        const ours = await helpers()
        const backingUp = backUp('two', world)
        await untilWaiting(watched)
        expect(await helpers()).toEqual(ours)
        goOn.resolve()
        expect(await backingUp).toBe('success')
        over.resolve()
        await restoring
      })
      await work.ok(['restore', `two/${name}@latest`, '--to', work.at('out')], {})
      expect(await readFile(work.at('out', 'a'), 'utf8')).toBe('backed up')
    },
  )

  it('is restored only once the backup of it is over', async () => {
    const fifo = `/tmp/holdfast-turns-${process.pid}`
    execFileSync('mkfifo', [fifo])
    await using work = await shared('turns-back', '', `, before: [cat, ${fifo}]`)
    await watching(work, async (watched) => {
      const { world, asked } = watched
      expect(await backUp('one', world)).toBe('success')
      await writeFile(`${docker.volume('turns-back')}/a`, 'changed')
      asked.clear()
      const backingUp = backUp('two', world)
      await vi.waitUntil(() => asked.size > 0, { timeout: 20_000, interval: 20 })
      const restoring = restore(await resolveRequest('one/turns-back', world, never), world, never)
      await untilWaiting(watched)
      expect(await readFile(`${docker.volume('turns-back')}/a`, 'utf8')).toBe('changed')
      await writeFile(fifo, '')
      expect(await backingUp).toBe('success')
      await restoring
    })
    execFileSync('rm', [fifo])
    await work.ok(['restore', 'two/turns-back@latest', '--to', work.at('out')], {})
    expect(await readFile(work.at('out', 'a'), 'utf8')).toBe('changed')
    expect(await readFile(`${docker.volume('turns-back')}/a`, 'utf8')).toBe('backed up')
  })
})

describe('a volume whose restore was killed', () => {
  it('is not read by another job until the restore is put in order', async () => {
    await using work = await shared('left')
    await work.ok(['backup', 'create', 'one'], {})
    await writeFile(`${docker.volume('left')}/a`, 'changed')
    const log = work.at('kills')
    const at = { on: 'rename', match: '/volumes/left/_data/', when: 'after', nth: 1 } as const
    const words = 'restore one/left@latest --yes'.split(' ')
    expect((await work.run(words, { env: dying(log, at) })).code).toBe(null)
    expect(await readFile(log, 'utf8')).toBe('here\n')
    await expect(readFile(`${docker.volume('left')}/a`)).rejects.toThrow('ENOENT')
    await watching(work, async ({ world }) => {
      expect(await backUp('two', world)).toBe('failed')
      const [row] = (await world.store.history({ depth: 'full', jobs: ['two' as JobId] })).backups
      expect(row?.error).toContain('a restore that was cut short')
      await recover(world, never)
      expect(await readFile(`${docker.volume('left')}/a`, 'utf8')).toBe('backed up')
      expect(await backUp('two', world)).toBe('success')
      expect((await world.store.facts('holds:')).size).toBe(0)
    })
  })
})

describe('who took a volume and its users for itself', () => {
  /** Whether everything of an engine that was asked for is free again. */
  async function expectFree({ world, asked }: Watched, kinds: readonly string[]): Promise<void> {
    expect([...asked.keys()].map((name) => /:(halt|volume)(?:$|:)/.exec(name)?.[1]).sort()).toEqual(
      kinds,
    )
    for (const name of asked.keys()) {
      const lease = await world.leases.acquire(name)
      expect([name, lease.kind]).toEqual([name, 'granted'])
      if (lease.kind === 'granted') await lease.release()
    }
    asked.clear()
  }

  it('lets go of them at the end, however that was', async () => {
    await using work = await shared('lets-go', ', stop: true', ', before: ["false"]')
    await runUser(docker, 'lets-go-up', 'lets-go')
    await watching(work, async (watched) => {
      const { world } = watched
      expect(await backUp('one', world)).toBe('success')
      await expectFree(watched, ['halt', 'volume'])
      expect(await backUp('two', world)).toBe('failed')
      await expectFree(watched, ['halt', 'volume'])

      const order = await resolveRequest('one/lets-go', world, never)
      const cut = new AbortController()
      const why = new Interrupted('told to end', { signal: 'SIGTERM' })
      const aborting = pausing(order, async () => cut.abort(why))
      await expect(restore(aborting, world, cut.signal)).rejects.toBe(why)
      await expectFree(watched, ['volume'])

      const refusing = pausing(order, () => Promise.reject(new Error('not staged')))
      await expect(restore(refusing, world, never)).rejects.toThrow('not staged')
      await expectFree(watched, ['volume'])

      await expect(restore(unmovable(order), world, never)).rejects.toThrow('no move')
      await expectFree(watched, ['halt', 'volume'])
      expect(await stateOf(docker, 'lets-go-up')).toBe('running')

      await restore(order, world, never)
      await expectFree(watched, ['halt', 'volume'])
      expect(await backUp('one', world)).toBe('success')
    })
    expect(await stateOf(docker, 'lets-go-up')).toBe('running')
  })
})

/** The order with a place in which nothing can be moved. */
function unmovable(order: RestoreOrder): RestoreOrder {
  const { source } = order
  const realm: typeof source.realm = (to) => {
    const inner = source.realm?.(to)
    return inner ? { ...inner, rename: () => Promise.reject(new Error('no move')) } : null
  }
  return { ...order, source: { ...source, realm } }
}
