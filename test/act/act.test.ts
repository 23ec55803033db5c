import { readdir } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { adopt } from '../../src/act/adopt.ts'
import { backup, type RunOutcome } from '../../src/act/backup.ts'
import { endOrphanedRun } from '../../src/act/end-run.ts'
import { pin } from '../../src/act/pin.ts'
import { prune } from '../../src/act/prune.ts'
import { newBackup } from '../../src/act/rows.ts'
import type { BackupAction } from '../../src/core/action.ts'
import { parseManifest } from '../../src/core/manifest-parse.ts'
import type { Instant, JobId, Run, TargetId } from '../../src/core/model.ts'
import { hold, type Lease } from '../../src/leases/lease.ts'
import { LeaseLost, TargetUnreachable } from '../../src/lib/errors.ts'
import type { World } from '../../src/observe/world.ts'
import { local } from '../../src/targets/local.ts'
import type { TargetKind } from '../../src/targets/target.ts'
import { commandLine } from '../support/command-line.ts'
import { filesConfig, makeWorkspace, type Workspace } from '../support/holdfast.ts'
import { inWorld } from '../support/world.ts'

const signal = new AbortController().signal

const TWO_SOURCES = `
data_dir: ./state
targets: { one: { type: local, path: ./one }, two: { type: local, path: ./two } }
jobs:
  files:
    sources: [{ type: directory, path: ./live }, { type: directory, path: ./other }]
    targets: [one, two]
`

/** Of a process that is not there any more. */
const DEAD: Run = {
  id: 'r0' as Run['id'],
  job: 'files' as JobId,
  name: null,
  slot: null,
  trigger: 'schedule',
  status: 'running',
  instance: 'gone' as Run['instance'],
  startedAt: 1 as Instant,
  finishedAt: null,
}
const WELL = {
  status: 'success',
  finishedAt: 2 as Instant,
  storedBytes: null,
  contentBytes: null,
  error: null,
  warnings: [],
} as const

function asked(...sources: readonly string[]): BackupAction & { readonly runName: null } {
  return {
    kind: 'backup',
    subject: 'files' as JobId,
    sources,
    slot: null,
    attempt: 1,
    trigger: 'manual',
    because: { rule: 'requested', by: 'command' },
    runName: null,
  }
}

/** A backup under the job's lease, changed by `as`. */
async function run(world: World, as: (lease: Lease) => Lease, ...sources: readonly string[]) {
  const turn = await hold(world.leases, 'job:files', signal, (lease, held) =>
    backup(asked(...sources), world, as(lease), held),
  )
  if (turn.kind === 'busy') throw new Error(turn.holder)
  return turn.value
}

const asItIs = (lease: Lease) => lease

/** Somebody newer has the job since: the fence that is asked for is not ours any more. */
const lost = (lease: Lease): Lease => ({
  ...lease,
  confirm: async () => {
    throw new LeaseLost(lease.name)
  },
})

async function statusesOf({ backups }: RunOutcome) {
  return backups.map(({ backup: { source, status, error } }) => [source, status, error])
}

async function withFiles(config: string): Promise<Workspace> {
  const work = await makeWorkspace(config)
  await work.write({ 'live/a': 'a', 'other/b': 'b' })
  return work
}

/** What lies in scratch below the folder of this data_dir. */
async function inScratch(work: Workspace): Promise<readonly string[]> {
  const names = await readdir(work.at('state', 'scratch'), { recursive: true })
  return names.filter((name) => name.includes('/'))
}

describe('acting under a lease that somebody newer has', () => {
  it('commits nothing: no manifest, no archive, and the attempt is failed', async () => {
    await using work = await withFiles(TWO_SOURCES)
    await inWorld(work, async (world) => {
      const outcome = await run(world, lost, 'live', 'other')
      const said = 'the lease on job:files was lost'
      expect(await statusesOf(outcome)).toEqual([
        ['live', 'failed', said],
        ['other', 'failed', said],
      ])
      expect(outcome.run.status).toBe('failed')
      const { copies, backups } = await world.store.history({ depth: 'full', jobs: null })
      expect(copies.map(({ status }) => status)).toEqual(['failed', 'failed', 'failed', 'failed'])
      expect(backups.map(({ status }) => status)).toEqual(['failed', 'failed'])
    })
    expect({ ...(await work.files('one')), ...(await work.files('two')) }).toEqual({})
    expect(await inScratch(work)).toEqual([])
  })

  it('deletes nothing', async () => {
    await using work = await withFiles(TWO_SOURCES)
    await inWorld(work, async (world) => {
      const { backups } = await run(world, asItIs, 'live')
      const held = await work.files('one')
      const copies = backups.flatMap((one) => one.copies)
      const turn = hold(world.leases, 'job:files', signal, (lease, during) =>
        prune(copies, world, lost(lease), during),
      )
      await expect(turn).rejects.toThrow(LeaseLost)
      expect(await work.files('one')).toEqual(held)
      expect(await world.store.journal()).toEqual([])
    })
  })
})

describe('a run whose owner died', () => {
  const end = async (world: World, slot: Instant, ids: readonly (readonly [string, string])[]) => {
    for (const [run, source] of ids) {
      const id = run as Run['id']
      const opened = { ...DEAD, id, slot }
      if (!(await runs(world)).some((one) => one.id === id)) await world.store.openRun(opened)
      const job = world.desired.jobs[0]
      const declared = job?.sources.find(({ name }) => name === source)
      if (!job || !declared) throw new Error('the sources are declared')
      const row = newBackup({ job, source: declared, run: opened, attempt: 1, fence: 1 }, world)
      await world.store.openBackup(row)
      await world.store.closeBackup(row.id, WELL)
    }
    const [last = ['']] = ids.slice(-1)
    const { backups } = await world.store.history({ depth: 'recent', jobs: null })
    const run = (await runs(world)).find(({ id }) => id === last[0])
    if (run) await endOrphanedRun(run, backups, world)
    return (await runs(world)).find(({ id }) => id === last[0])?.status
  }
  const runs = async (world: World) =>
    (await world.store.history({ depth: 'recent', jobs: null })).runs

  it('is a success when its slot has all that the job owes, and failed when it has not', async () => {
    await using work = await withFiles(TWO_SOURCES)
    await inWorld(work, async (world) => {
      const at = (hour: number) => Date.UTC(2026, 0, 1, hour) as Instant
      expect(await end(world, at(1), [['r1', 'live']])).toBe('failed')
      expect(
        await end(world, at(2), [
          ['r2', 'live'],
          ['r2', 'other'],
        ]),
      ).toBe('success')
      expect(
        await end(world, at(3), [
          ['r3', 'live'],
          ['r4', 'other'],
        ]),
      ).toBe('success')
    })
  })
})

describe('a prune', () => {
  it('spares a copy that was pinned since it was planned, and deletes the others of the list', async () => {
    await using work = await withFiles(TWO_SOURCES)
    await inWorld(work, async (world) => {
      const copies = (await run(world, asItIs, 'live')).backups.flatMap((one) => one.copies)
      const [first, second] = copies
      if (!first || !second) throw new Error('two copies are made')
      await pin(first, 'since', world, signal)
      const turn = await hold(world.leases, 'job:files', signal, (lease, held) =>
        prune(copies, world, lease, held),
      )
      expect(turn).toMatchObject({
        value: { deleted: [{ target: second.target }], spared: [{ target: first.target }] },
      })
      expect(await work.archives(first.target)).toEqual([first.key])
      expect(await work.files(second.target)).toEqual({})
      expect(await world.store.journal()).toEqual([])
    })
  })
})

describe('adopting', () => {
  it('the same manifest twice makes one backup and one copy', async () => {
    await using work = await withFiles(filesConfig())
    await commandLine(['backup', 'create'], { cwd: work.root })
    const [key = ''] = await work.archives('shelf')
    const manifest = parseManifest(await work.read('shelf', `${key}.manifest.json`))
    await work.write({ 'holdfast.yml': filesConfig().replace('./state', './fresh') })
    await inWorld(work, async (world) => {
      const because = { rule: 'manifest-found' } as const
      const action = {
        kind: 'adopt',
        subject: 'shelf' as TargetId,
        key,
        manifest,
        because,
      } as const
      await adopt(action, world)
      const once = await world.store.history({ depth: 'full', jobs: null })
      await adopt(action, world)
      expect(await world.store.history({ depth: 'full', jobs: null })).toEqual(once)
      expect(once.backups).toMatchObject([{ id: manifest.backup, status: 'success' }])
      expect(once.copies).toMatchObject([{ key, status: 'complete', verify: 'never' }])
    })
  })
})

describe('a backup', () => {
  it('of several sources is failed as a run when one of them is, and keeps what the others made', async () => {
    await using work = await withFiles(TWO_SOURCES.replace('./other', './missing'))
    await inWorld(work, async (world, events) => {
      const outcome = await run(world, asItIs, 'live', 'missing')
      expect(outcome.run.status).toBe('failed')
      expect((await statusesOf(outcome)).map(([, status]) => status)).toEqual(['success', 'failed'])
      expect(events.map(({ event }) => event)).toEqual([
        'backup.started',
        'backup.done',
        'backup.started',
        'backup.failed',
      ])
    })
    expect(await work.archives('one')).toHaveLength(1)
  })

  it('that is aborted in its middle leaves no part on any target, and no scratch', async () => {
    await using work = await withFiles(
      TWO_SOURCES.replace(
        '{ type: directory, path: ./live }',
        '{ type: command, name: live, backup: [sh, -c, "head -c 3000000 /dev/zero; exec sleep 60"] }',
      ).replace('targets: [one, two]', 'targets: [one, two]\n    compression: none'),
    )
    await inWorld(work, async (world) => {
      const cut = new AbortController()
      const cutting: World = {
        ...world,
        progress: ({ bytes }) => {
          if (bytes > 0) cut.abort(new Error('cut in the middle'))
        },
      }
      const turn = await hold(world.leases, 'job:files', cut.signal, (lease, held) =>
        backup(asked('live', 'other'), cutting, lease, held),
      )
      expect(turn).toMatchObject({
        value: {
          run: { status: 'failed' },
          backups: [{ backup: { status: 'failed', error: 'cut in the middle' } }],
        },
      })
    })
    expect({ ...(await work.files('one')), ...(await work.files('two')) }).toEqual({})
    expect(await inScratch(work)).toEqual([])
  })

  it('that fails again and again stands in the journal once, and is finished once it can be', async () => {
    await using work = await withFiles(TWO_SOURCES)
    await inWorld(work, async (world) => {
      const copies = (await run(world, asItIs, 'live')).backups.flatMap((one) => one.copies)
      const attempt = (on: World) =>
        hold(on.leases, 'job:files', signal, (lease, held) => prune(copies, on, lease, held))
      for (let time = 0; time < 3; time++) {
        await expect(attempt(withoutRemoval(world))).rejects.toThrow('no hand on it')
        expect(await world.store.journal()).toHaveLength(1)
      }
      await attempt(world)
      expect(await world.store.journal()).toEqual([])
      expect({ ...(await work.files('one')), ...(await work.files('two')) }).toEqual({})
    })
  })
})

/** The same world with local targets that delete nothing. */
function withoutRemoval(world: World): World {
  const kind: TargetKind = {
    ...local,
    configure: (section, surroundings) => ({
      ...local.configure(section, surroundings),
      remove: () => Promise.reject(new TargetUnreachable('no hand on it')),
    }),
  }
  const targets = new Map([['local', async () => kind]])
  return { ...world, plugins: { ...world.plugins, targets } }
}
