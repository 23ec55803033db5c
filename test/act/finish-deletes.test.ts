import { describe, expect, it } from 'vitest'
import { finishDeletes, openDeletes } from '../../src/act/finish-deletes.ts'
import { prune } from '../../src/act/prune.ts'
import type { Copy, JobId } from '../../src/core/model.ts'
import { recover } from '../../src/daemon/recover.ts'
import { EVERY_KIND, takeTurn } from '../../src/daemon/turn.ts'
import { hold } from '../../src/leases/lease.ts'
import { TargetUnreachable } from '../../src/lib/errors.ts'
import type { World } from '../../src/observe/world.ts'
import { local } from '../../src/targets/local.ts'
import type { TargetKind } from '../../src/targets/target.ts'
import { filesConfig, makeWorkspace, type Workspace } from '../support/holdfast.ts'
import { inWorld } from '../support/world.ts'

const signal = new AbortController().signal

/** A world whose targets remove manifests, and then no archive. */
function withoutArchives(world: World): World {
  const kind: TargetKind = {
    ...local,
    configure(section, surroundings) {
      const target = local.configure(section, surroundings)
      return {
        ...target,
        async remove(keys, signal) {
          if (keys.every((key) => key.endsWith('.manifest.json'))) {
            return await target.remove(keys, signal)
          }
          throw new TargetUnreachable('slow down')
        },
      }
    },
  }
  const targets = new Map([['local', async () => kind]])
  return { ...world, plugins: { ...world.plugins, targets } }
}

async function withBackups(): Promise<Workspace> {
  const work = await makeWorkspace(filesConfig())
  await work.write({ 'live/a.txt': 'content' })
  for (let count = 0; count < 3; count++) await work.ok(['backup', 'create', 'files'])
  return work
}

/** The copies of all, oldest first. */
async function copiesOf(world: World): Promise<readonly Copy[]> {
  const { copies } = await world.store.history({ depth: 'full', jobs: null })
  return copies.toSorted((one, other) => one.takenAt - other.takenAt)
}

/** A batch whose manifests are gone and whose archives are not. */
async function failMidway(world: World): Promise<readonly Copy[]> {
  const drop = (await copiesOf(world)).slice(0, 2)
  const broken = withoutArchives(world)
  const pruning = hold(world.leases, 'job:files', signal, (lease, held) =>
    prune(drop, broken, lease, held),
  )
  await expect(pruning).rejects.toThrow('slow down')
  expect(await world.store.journal()).toHaveLength(2)
  return drop
}

async function expectGone(drop: readonly Copy[], work: Workspace, world: World): Promise<void> {
  const left = await work.archives('shelf')
  expect(left).toHaveLength(1)
  for (const { key } of drop) expect(left).not.toContain(key)
  expect(await world.store.journal()).toEqual([])
  const rows = await copiesOf(world)
  expect(rows.map(({ status }) => status)).toEqual(['pruned', 'pruned', 'complete'])
}

describe('a batch of deletions that failed midway', () => {
  it('is finished by the next turn of its job, in the same process', async () => {
    await using work = await withBackups()
    await inWorld(work, async (world) => {
      const drop = await failMidway(world)
      const turn = await takeTurn(
        {
          job: 'files' as JobId,
          first: null,
          kinds: EVERY_KIND,
          pruneConfirmed: false,
          giveWay: signal,
          patience: 0,
        },
        world,
        signal,
      )
      expect(turn.kind).toBe('held')
      await expectGone(drop, work, world)
    })
  })

  it('is finished by the next start', async () => {
    await using work = await withBackups()
    await inWorld(work, async (world) => {
      const drop = await failMidway(world)
      await recover(world, signal)
      await expectGone(drop, work, world)
    })
  })

  it('is left to whoever holds the job, and its intents with it', async () => {
    await using work = await withBackups()
    await inWorld(work, async (world) => {
      await failMidway(world)
      await hold(world.leases, 'job:files', signal, async () => {
        await recover(world, signal)
        expect(await world.store.journal()).toHaveLength(2)
        expect(await work.archives('shelf')).toHaveLength(3)
      })
    })
  })

  it('deletes no copy whose manifest is there still: it is the next plan that decides', async () => {
    await using work = await withBackups()
    await inWorld(work, async (world) => {
      const [copy] = await copiesOf(world)
      if (!copy) throw new Error('no copy')
      const { target, key, backup } = copy
      const entry = {
        kind: 'delete',
        id: 'delete it',
        openedAt: world.now(),
        target,
        key,
        backup,
      } as const
      await world.store.openJournal(entry)
      for (const [, entries] of await openDeletes(world))
        await finishDeletes(entries, world, signal)
      expect(await work.archives('shelf')).toHaveLength(3)
      expect(await world.store.journal()).toEqual([])
    })
  })
})
