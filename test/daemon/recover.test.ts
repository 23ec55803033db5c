import { existsSync } from 'node:fs'
import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { makeScratch } from '../../src/act/scratch.ts'
import type { Instance } from '../../src/core/fleet.ts'
import type {
  GroupId,
  InstanceId,
  Instant,
  JobId,
  Restore,
  RestoreId,
} from '../../src/core/model.ts'
import type { Section } from '../../src/core/section.ts'
import { createLooking } from '../../src/daemon/looking.ts'
import { watchForRestores } from '../../src/daemon/orphans.ts'
import { recover } from '../../src/daemon/recover.ts'
import { recoverRestores } from '../../src/daemon/recover-restores.ts'
import { EVERY_KIND, takeTurn } from '../../src/daemon/turn.ts'
import type { World } from '../../src/observe/world.ts'
import { fileRealm } from '../../src/platform/file-realm.ts'
import { newId } from '../../src/platform/ids.ts'
import { sourceKinds } from '../../src/sources/index.ts'
import type { Realm } from '../../src/sources/source.ts'
import { poll } from '../support/daemon.ts'
import { filesConfig, makeWorkspace, type Workspace } from '../support/holdfast.ts'
import { inWorld } from '../support/world.ts'

const signal = new AbortController().signal

/** A job that owes a backup, with a restore into it that was killed between its two renames. */
async function halfSwapped(
  work: Workspace,
  world: World,
  how: Partial<Restore> = {},
): Promise<void> {
  const id = newId(Date.now() as Instant) as RestoreId
  const previous = work.at(`.live.holdfast-previous-${id}`)
  const [job] = world.desired.jobs
  const [source] = job?.sources ?? []
  if (!job || !source) throw new Error('a job is declared')
  const row: Restore = {
    id,
    reference: 'files',
    job: job.id,
    source: source.name,
    group: source.group as GroupId,
    backup: null,
    target: null,
    key: 'archive',
    sha256: '0'.repeat(64),
    to: 'files/live',
    inPlace: true,
    status: 'running',
    by: 'command',
    instance: newId(Date.now() as Instant) as Restore['instance'],
    home: null,
    previous: null,
    startedAt: world.now(),
    finishedAt: null,
    error: null,
    released: false,
    ...how,
  }
  await world.store.openRestore(row)
  const moves = [
    { from: work.at('live'), to: previous },
    { from: work.at('staged'), to: work.at('live') },
  ]
  const entry = { kind: 'swap', id: `entry-${id}`, openedAt: world.now(), restore: id } as const
  await world.store.openJournal({ ...entry, moves, leftovers: [], previous })
  await rename(work.at('live'), previous)
}

/** What the swap put aside. */
async function previousIn(work: Workspace): Promise<string> {
  const [name = ''] = (await readdir(work.root)).filter((one) => one.includes('holdfast-previous'))
  return name
}

/** What a turn of the job came to do. */
async function turn(world: World) {
  const request = {
    job: 'files' as JobId,
    first: null,
    kinds: EVERY_KIND,
    pruneConfirmed: false,
    giveWay: signal,
    patience: 0,
  }
  const taken = await takeTurn(request, world, signal)
  if (taken.kind === 'busy') throw new Error(taken.holder)
  return taken.value.map(({ action, kind }) => `${action.kind} ${kind}`)
}

async function statuses(world: World) {
  const { restores } = await world.store.history({ depth: 'full', jobs: null })
  return restores.map(({ status }) => status)
}

const OWED = filesConfig('schedule: 0 2 * * *\nfirst_run: now')

describe('a swap whose process was killed', () => {
  it('keeps its source from being backed up, and a running daemon finishes it', async () => {
    await using work = await makeWorkspace(OWED)
    await work.write({ 'live/a': 'old', 'staged/a': 'restored' })
    await inWorld(work, async (world) => {
      await halfSwapped(work, world)
      expect(await turn(world)).toEqual([])
      await recoverRestores(world, signal)
      expect(await statuses(world)).toEqual(['success'])
      expect(await world.store.journal()).toEqual([])
      expect(await work.files('live')).toEqual({ a: 'restored' })
      expect(await turn(world)).toContain('backup done')
    })
  })

  it('keeps its entry, its row and its source blocked for as long as it can go neither way', async () => {
    await using work = await makeWorkspace(OWED)
    await work.write({ 'live/a': 'old', 'staged/a': 'restored' })
    await inWorld(work, async (world) => {
      await halfSwapped(work, world)
      await mkdir(work.at('live'))
    })
    for (const _start of ['first', 'second']) {
      await inWorld(work, async (world, events) => {
        await recover(world, signal)
        await recoverRestores(world, signal)
        expect(events).toMatchObject([
          {
            level: 'error',
            message: expect.stringContaining('neither be finished nor taken back'),
          },
        ])
        expect(await statuses(world)).toEqual(['running'])
        expect(await world.store.journal()).toHaveLength(1)
        expect(await turn(world)).toEqual([])
      })
    }
    await rm(work.at('live'), { recursive: true })
    await inWorld(work, async (world) => {
      await recover(world, signal)
      expect(await statuses(world)).toEqual(['success'])
    })
    expect(await work.files('live')).toEqual({ a: 'restored' })
  })
})

/** The world with a place of directories that answers nothing while `hangs` is not settled. */
function hanging(world: World, hangs: Promise<void>) {
  const asked: string[] = []
  const realm: Realm = {
    ...fileRealm,
    async exists(name) {
      asked.push(name)
      await hangs
      return await fileRealm.exists(name)
    },
  }
  const kind = async () => {
    const directory = await sourceKinds.get('directory')?.()
    if (!directory) throw new Error('directories are a kind of source')
    const configure = (section: Section) => ({
      ...directory.configure(section),
      realm: () => realm,
    })
    return { ...directory, configure }
  }
  const sources = new Map([...sourceKinds, ['directory', kind] as const])
  return { asked, world: { ...world, plugins: { ...world.plugins, sources } } }
}

describe('a place that hangs', () => {
  it('holds a pass up for a while and once, and what was left behind in it moves nothing later', async () => {
    await using work = await makeWorkspace(OWED)
    await work.write({ 'live/a': 'old', 'staged/a': 'restored' })
    await inWorld(work, async (usual, events) => {
      await halfSwapped(work, usual)
      const { promise, resolve } = Promise.withResolvers<void>()
      const { asked, world } = hanging(usual, promise)
      const tried = new Set<string>()
      expect(await recoverRestores(world, signal, { limit: 1_000, tried })).toBe('held')
      expect(events).toMatchObject([{ message: expect.stringContaining('its limit of 1 s') }])
      // The lease is free, and nobody asks the place a second time meanwhile.
      expect(await recoverRestores(world, signal, { limit: 600_000, tried })).toBe('held')
      expect(asked).toHaveLength(1)
      expect(await statuses(world)).toEqual(['running'])
      resolve()
      await poll(() => tried.size === 0, 'the end of what was left behind')
      expect(existsSync(work.at('live'))).toBe(false)
      expect(await statuses(world)).toEqual(['running'])
      await recoverRestores(world, signal, { limit: 600_000, tried })
      expect(await statuses(world)).toEqual(['success'])
    })
  })

  it('does not hold up a stop', async () => {
    await using work = await makeWorkspace(OWED)
    await work.write({ 'live/a': 'old', 'staged/a': 'restored' })
    await inWorld(work, async (usual) => {
      await halfSwapped(work, usual)
      const stop = new AbortController()
      const { asked, world } = hanging(usual, new Promise(() => {}))
      const recovery = recoverRestores(world, stop.signal)
      await Promise.all([
        expect(recovery).rejects.toThrow('stop'),
        poll(() => asked.length > 0, 'the place to be asked').then(() =>
          stop.abort(new Error('stop')),
        ),
      ])
      expect(await usual.store.journal()).toHaveLength(1)
    })
  })
})

describe('a restore that another host left', () => {
  it('is looked at by a running daemon at once, then each minute, until it is told', async () => {
    await using work = await makeWorkspace(filesConfig(''))
    await work.write({ 'live/a': 'old', 'staged/a': 'restored' })
    await inWorld(work, async (usual, events) => {
      let [ahead, recoveries] = [9 * 60_000, 0]
      const acquire: World['leases']['acquire'] = (name) => {
        if (name === 'recovery') recoveries++
        return usual.leases.acquire(name)
      }
      const self = { name: 'here', kind: 'daemon' } as Instance
      const fleet = {
        self: () => self,
        home: async () => 'here',
        instances: async () => [],
        clock: () => null,
      }
      const now = () => (usual.now() + ahead) as Instant
      const world: World = { ...usual, now, fleet, leases: { ...usual.leases, acquire } }
      const workers = new Map()
      const { look } = createLooking({
        world: () => world,
        workers,
        wanted: new Set(),
        askInventory: () => {},
        mending: { begin() {}, async awake() {} },
        clock: () => ahead,
      })
      await halfSwapped(work, usual, { home: 'elsewhere' })
      const told = () => events.filter(({ event }) => event === 'restore.stranded').length
      for (let pass = 0; pass < 5; pass++) await look(signal)
      expect([recoveries, told()]).toEqual([1, 0])
      ahead += 59_000
      await look(signal)
      expect(recoveries).toBe(1)
      ahead += 1_000
      for (let pass = 0; pass < 5; pass++) await look(signal)
      expect([recoveries, told()]).toEqual([2, 1])
      // One of this host does not wait for the minute.
      await rename(work.at(await previousIn(work)), work.at('live'))
      await halfSwapped(work, usual, { home: 'here' })
      await look(signal)
      expect(recoveries).toBe(3)
      expect(await statuses(world)).toEqual(expect.arrayContaining(['running', 'success']))
    })
  })

  it('is looked at by the next pass where another recovery went on', async () => {
    const left = watchForRestores(() => 0)
    const orphan = { kind: 'restore', job: null, instance: 'dead' as InstanceId } as const
    expect(left([])).toBeNull()
    expect(left([orphan])).not.toBeNull()
    left([orphan])?.take()
    expect(left([orphan])).toBeNull()
    expect(left([orphan, { ...orphan, instance: 'other' as InstanceId }])).not.toBeNull()
    // It lived after all, and is gone again.
    left([])
    expect(left([orphan])).not.toBeNull()
  })
})

describe('scratch', () => {
  it('is swept of what the dead left, and of nothing else, by whoever starts next', async () => {
    await using work = await makeWorkspace(OWED)
    await inWorld(work, async (world) => {
      const dead = newId((Date.now() - 1) as Instant) as InstanceId
      const left = await makeScratch({ ...world, instance: dead }, 'left')
      await using kept = await makeScratch(world, 'kept')
      await recover(world, signal)
      expect([existsSync(left.path), existsSync(kept.path)]).toEqual([false, true])
    })
  })
})
