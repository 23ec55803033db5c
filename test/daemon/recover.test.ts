import { existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { makeScratch } from '../../src/act/scratch.ts'
import type {
  GroupId,
  InstanceId,
  Instant,
  JobId,
  Restore,
  RestoreId,
} from '../../src/core/model.ts'
import { recover, recoverRestores } from '../../src/daemon/recover.ts'
import { EVERY_KIND, takeTurn } from '../../src/daemon/turn.ts'
import type { World } from '../../src/observe/world.ts'
import { newId } from '../../src/platform/ids.ts'
import { filesConfig, makeWorkspace, type Workspace } from '../support/holdfast.ts'
import { inWorld } from '../support/world.ts'

const signal = new AbortController().signal

/** A job that owes a backup, with a restore into it that was killed between its two renames. */
async function halfSwapped(work: Workspace, world: World): Promise<void> {
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
  }
  await world.store.openRestore(row)
  const moves = [
    { from: work.at('live'), to: previous },
    { from: work.at('staged'), to: work.at('live') },
  ]
  const entry = { kind: 'swap', id: 'entry', openedAt: world.now(), restore: id } as const
  await world.store.openJournal({ ...entry, moves, leftovers: [], previous })
  await rename(work.at('live'), previous)
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
