import { describe, expect, it } from 'vitest'
import type {
  Applied,
  Backup,
  Bytes,
  InstanceId,
  Instant,
  JobId,
  Pin,
  Run,
  TargetId,
} from '../../src/core/model.ts'
import { StateRefused } from '../../src/lib/errors.ts'
import type { BackupEnd, JournalEntry, OutboxMessage, Store } from '../../src/state/store.ts'
import { backupOf, copyOf, minute, restoreOf, runOf } from './history-fixtures.ts'

/** Laws that every store keeps. `open` gives one that is new, and another view on the same state. */
export function storeContract(
  name: string,
  open: () => Promise<{ readonly store: Store; again(): Promise<Store> }>,
): void {
  const law = (
    title: string,
    prove: (store: Store, again: () => Promise<Store>) => Promise<void>,
  ) =>
    it(title, async () => {
      const { store, again } = await open()
      await prove(store, again)
    })

  describe(`${name}: slots`, () => {
    law('are taken by one attempt until it fails', async (store) => {
      const [first, second, third] = await runs(store, ['r1', 'r2', 'r3'])
      expect(await store.openBackup(backupOf(first))).toBe('opened')
      expect(await store.openBackup(backupOf(second, { slot: first.slot }))).toBe('taken')
      expect(await store.backup(`${second.id}-data` as Backup['id'])).toBeNull()
      await store.closeBackup(backupOf(first).id, failure('boom'))
      expect(await store.openBackup(backupOf(second, { slot: first.slot, attempt: 2 }))).toBe(
        'opened',
      )
      await store.closeBackup(backupOf(second).id, success(5))
      expect(await store.openBackup(backupOf(third, { slot: first.slot, attempt: 3 }))).toBe(
        'taken',
      )
    })

    law('belong to a source of a job, and to nobody where there is none', async (store) => {
      const [first, second] = await runs(store, ['r1', 'r2'])
      expect(await store.openBackup(backupOf(first))).toBe('opened')
      expect(await store.openBackup(backupOf(first, { source: 'db' }))).toBe('opened')
      const other = runOf('r9', 'blog', 0)
      await store.openRun(other)
      expect(await store.openBackup(backupOf(other, { slot: first.slot }))).toBe('opened')
      for (const source of ['x', 'y']) {
        const manual = { source, slot: null }
        expect(await store.openBackup(backupOf(second, manual))).toBe('opened')
      }
    })

    law('go to one of many that ask at once', async (store, again) => {
      const stores = [store, await again(), await again()]
      const [run] = await runs(store, ['r1'])
      const answers = await Promise.all(
        Array.from({ length: 30 }, (_, index) =>
          stores[index % 3]?.openBackup(backupOf(run, { id: `b${index}` as Backup['id'] })),
        ),
      )
      expect(answers.filter((answer) => answer === 'opened')).toHaveLength(1)
    })
  })

  describe(`${name}: backups and copies`, () => {
    law('come back as they were saved', async (store, again) => {
      const run = runOf('r1', 'acme/shop', 0, {
        name: 'before upgrade',
        trigger: 'manual',
        slot: null,
      })
      const backup = backupOf(run, {
        organization: 'acme',
        app: 'shop',
        runName: run.name,
        attempt: 3,
        fence: 7,
        contentBytes: (2 ** 50) as Bytes,
      })
      const copy = copyOf(backup, 'nas', { verify: 'ok', verifiedAt: minute(9) })
      await store.openRun(run)
      await store.openBackup(backup)
      await store.saveCopy({ ...copy, status: 'writing', bytes: null, sha256: null })
      await store.saveCopy(copy)
      await store.closeBackup(backup.id, { ...success(5), warnings: ['3 files changed: "a"', 'ü'] })
      await store.closeRun(run.id, 'partial', minute(6))

      const other = await again()
      const closed = {
        ...backup,
        ...success(5),
        warnings: ['3 files changed: "a"', 'ü'],
      }
      expect(await other.backup(backup.id)).toEqual(closed)
      expect(await other.copies(backup.id)).toEqual([copy])
      expect(await other.history({ depth: 'full', jobs: null })).toEqual({
        depth: 'full',
        runs: [{ ...run, status: 'partial', finishedAt: minute(6) }],
        backups: [closed],
        copies: [copy],
        restores: [],
      })
    })

    law('stay a success, whatever a late word says', async (store) => {
      const [run] = await runs(store, ['r1'])
      const backup = await succeed(store, run)
      await store.closeBackup(backup.id, failure('abandoned'))
      expect(await store.backup(backup.id)).toMatchObject({ status: 'success', error: null })
    })

    law('are not closed when they were never opened', async (store) => {
      const nothing = 'nothing' as Backup['id']
      await expect(store.closeBackup(nothing, failure('x'))).rejects.toThrow(StateRefused)
      await expect(store.closeRun('nothing' as Run['id'], 'failed', minute(0))).rejects.toThrow(
        'the state holds no run nothing',
      )
      expect(await store.backup(nothing)).toBeNull()
    })

    law('are not torn: a copy without its backup is refused', async (store) => {
      const stray = copyOf(backupOf(runOf('r1', 'shop', 0)), 'nas')
      await expect(store.saveCopy(stray)).rejects.toThrow(StateRefused)
      expect((await store.history({ depth: 'full', jobs: null })).copies).toEqual([])
    })
  })

  describe(`${name}: adopting`, () => {
    law('makes history of a manifest, once', async (store) => {
      const { run, backup, copy } = found('r1')
      await store.adopt(run, backup, copy)
      const first = await store.history({ depth: 'full', jobs: null })
      expect(first).toMatchObject({ runs: [run], backups: [backup], copies: [copy] })
      await store.adopt(run, backup, copy)
      expect(await store.history({ depth: 'full', jobs: null })).toEqual(first)
    })

    law('adds the copy of a second target, and forgets nothing of the first', async (store) => {
      const { run, backup, copy } = found('r1')
      await store.adopt(run, backup, copy)
      const verified = { ...copy, verify: 'ok', verifiedAt: minute(9) } as const
      await store.saveCopy(verified)
      await store.adopt(run, backup, copy)
      await store.adopt(run, backup, copyOf(backup, 'offsite'))
      expect(await store.copies(backup.id)).toEqual([verified, copyOf(backup, 'offsite')])
    })

    law('turns an attempt that died after its manifest into a success', async (store) => {
      const { run, backup, copy } = found('r1')
      await store.openRun({ ...run, status: 'running', finishedAt: null })
      await store.openBackup(backupOf(run))
      await store.saveCopy({ ...copy, status: 'writing' })
      await store.adopt(run, backup, copy)
      expect(await store.history({ depth: 'full', jobs: null })).toMatchObject({
        runs: [run],
        backups: [backup],
        copies: [copy],
      })
    })

    law('leaves a run open while another of its backups is', async (store) => {
      const { run, backup, copy } = found('r1')
      await store.openRun({ ...run, status: 'running', finishedAt: null })
      await store.openBackup(backupOf(run))
      await store.openBackup(backupOf(run, { source: 'db' }))
      await store.adopt(run, backup, copy)
      const { runs: after } = await store.history({ depth: 'full', jobs: null })
      expect(after).toMatchObject([{ id: run.id, status: 'running' }])
    })

    law('leaves a slot with the attempt that took it meanwhile', async (store) => {
      const [retry] = await runs(store, ['r2'])
      const winner = await succeed(store, retry)
      const { run, backup, copy } = found('r1')
      await store.adopt({ ...run, slot: retry.slot }, { ...backup, slot: retry.slot }, copy)
      expect(await store.backup(winner.id)).toMatchObject({ slot: retry.slot })
      expect(await store.backup(backup.id)).toMatchObject({
        status: 'success',
        slot: null,
        warnings: [`backup ${winner.id} holds the same slot`],
      })
      expect(await store.copies(backup.id)).toEqual([copy])
    })
  })

  describe(`${name}: the recent history`, () => {
    law('holds the newest of each source, and no more', async (store) => {
      for (let at = 0; at < 30; at++) {
        const run = runOf(`shop${at}`, 'shop', at, { status: 'success' })
        await store.openRun(run)
        await succeed(store, run)
        await succeed(store, run, { source: 'db' })
      }
      for (const job of ['a', 'blog', 'z']) {
        const run = runOf(`${job}1`, job, 3)
        await store.openRun(run)
        await succeed(store, run)
      }
      const { backups, runs: seen } = await store.history({ depth: 'recent', jobs: null })
      const of = (job: string, source: string) =>
        backups
          .filter((one) => one.job === job && one.source === source)
          .map((one) => one.startedAt)
      const newest = Array.from({ length: 20 }, (_, index) => minute(index + 10))
      expect(of('shop', 'data').sort()).toEqual(newest)
      expect(of('shop', 'db').sort()).toEqual(newest)
      expect(backups).toHaveLength(43)
      expect(
        seen
          .filter(({ job }) => job === 'shop')
          .map((run) => run.startedAt)
          .sort(),
      ).toEqual(newest)
      expect(seen).toHaveLength(23)
    })

    law('holds whatever is open, however old', async (store) => {
      const old = runOf('old', 'shop', -1000)
      await store.openRun(old)
      await store.openBackup(backupOf(old))
      await store.saveCopy(copyOf(backupOf(old), 'nas', { status: 'failed' }))
      for (let at = 0; at < 25; at++) {
        const run = runOf(`r${at}`, 'shop', at, { status: 'success' })
        await store.openRun(run)
        await succeed(store, run)
      }
      const stale = copyOf(backupOf(runOf('r1', 'shop', 1)), 'nas', { status: 'writing' })
      await store.saveCopy(stale)
      const recent = await store.history({ depth: 'recent', jobs: null })
      expect(recent.runs).toContainEqual(old)
      expect(recent.backups).toContainEqual(backupOf(old))
      expect(recent.backups.map(({ id }) => id)).toContain(stale.backup)
      expect(recent.copies.map(({ backup, status }) => `${backup} ${status}`).sort()).toEqual([
        'old-data failed',
        'r1-data writing',
      ])
    })

    law(
      'holds the newest copy and the newest verified one of each group and target',
      async (store) => {
        for (let at = 0; at < 30; at++) {
          const run = runOf(`r${String(at).padStart(2, '0')}`, 'shop', at)
          await store.openRun(run)
          const backup = await succeed(store, run)
          const verify = at <= 4 ? 'ok' : at === 6 ? 'failed' : 'never'
          for (const target of ['nas', 'offsite']) {
            const status = target === 'nas' && at > 27 ? 'pruned' : 'complete'
            await store.saveCopy(copyOf(backup, target, { status, verify }))
          }
        }
        const { copies, backups } = await store.history({ depth: 'recent', jobs: null })
        expect(copies.map(({ backup, target }) => `${target} ${backup}`).sort()).toEqual([
          'nas r04-data',
          'nas r27-data',
          'offsite r04-data',
          'offsite r29-data',
        ])
        expect(backups.map(({ id }) => id)).toContain('r04-data')
      },
    )

    law('holds restores that run, and those whose baseline is owed', async (store) => {
      const ended = { finishedAt: minute(9), error: null, previous: '/srv/.previous' } as const
      for (const id of ['running', 'owed', 'released', 'failed'])
        await store.openRestore(restoreOf(id))
      await store.openRestore(restoreOf('beside', { inPlace: false }))
      for (const id of ['owed', 'released', 'beside']) {
        await store.closeRestore(restoreOf(id).id, { ...ended, status: 'success' })
      }
      const broken = { ...ended, status: 'failed', error: 'scan' } as const
      await store.closeRestore(restoreOf('failed').id, broken)
      await store.releaseRestore(restoreOf('released').id)
      const recent = await store.history({ depth: 'recent', jobs: null })
      expect(recent.restores).toEqual([
        restoreOf('owed', { ...ended, status: 'success' }),
        restoreOf('running'),
      ])
      const full = await store.history({ depth: 'full', jobs: null })
      expect(full.restores).toHaveLength(5)
      expect(full.restores).toContainEqual(restoreOf('failed', broken))
      expect(full.restores).toContainEqual(
        restoreOf('released', { ...ended, status: 'success', previous: null }),
      )
    })
  })

  describe(`${name}: any history`, () => {
    law('is narrowed to the jobs asked for', async (store) => {
      for (const job of ['shop', 'blog', 'wiki']) {
        const run = runOf(job, job, 0)
        await store.openRun(run)
        await store.saveCopy(copyOf(await succeed(store, run), 'nas'))
        await store.openRestore(restoreOf(job, { job: job as JobId }))
      }
      for (const depth of ['recent', 'full'] as const) {
        const none = await store.history({ depth, jobs: [] })
        expect(none).toEqual({ depth, runs: [], backups: [], copies: [], restores: [] })
        const two = await store.history({ depth, jobs: ['shop', 'wiki', 'none'] as JobId[] })
        expect(two.runs.map(({ job }) => job).sort()).toEqual(['shop', 'wiki'])
        expect(two.backups.map(({ job }) => job).sort()).toEqual(['shop', 'wiki'])
        expect(two.copies.map(({ backup }) => backup).sort()).toEqual(['shop-data', 'wiki-data'])
        expect(two.restores.map(({ job }) => job).sort()).toEqual(['shop', 'wiki'])
      }
    })

    law('is empty at first', async (store) => {
      const empty = { runs: [], backups: [], copies: [], restores: [] }
      for (const depth of ['recent', 'full'] as const) {
        expect(await store.history({ depth, jobs: null })).toEqual({ depth, ...empty })
      }
    })

    law('goes over to the new name of a job, its groups do not', async (store) => {
      const run = runOf('r1', 'old', 0)
      await store.openRun(run)
      await store.saveCopy(copyOf(await succeed(store, run), 'nas'))
      await store.openRestore(restoreOf('x', { job: 'old' as JobId }))
      await store.saveFact('notify.state:old', 'failing')
      // The new name has run already, in the very same slot.
      const other = runOf('r2', 'new', 0)
      await store.openRun(other)
      const holder = await succeed(store, other)
      await store.renameJob('old' as JobId, 'new' as JobId)
      await store.renameJob('old' as JobId, 'new' as JobId)

      const all = await store.history({ depth: 'full', jobs: ['new' as JobId] })
      expect(all.runs).toHaveLength(2)
      expect(all.backups).toContainEqual(holder)
      expect(all.backups.find(({ id }) => id === 'r1-data')).toMatchObject({
        group: 'system/old/data',
        slot: null,
      })
      expect(all.copies).toMatchObject([{ group: 'system/old/data' }])
      expect(all.restores).toMatchObject([{ job: 'new' }])
      expect(await store.fact('notify.state:new')).toBe('failing')
      expect(await store.fact('notify.state:old')).toBeNull()
    })
  })

  describe(`${name}: small things`, () => {
    law('tells what was applied last, and null before', async (store, again) => {
      expect(await store.applied()).toBeNull()
      const target = { id: 'nas' as TargetId, fingerprint: 'f', facts: { path: '/srv' } }
      const job = {
        id: 'shop' as JobId,
        fingerprint: 'g',
        facts: {},
        since: minute(0),
        scheduleMark: '0 2 * * * UTC true',
        firstRun: true,
      }
      const applied: Applied = { targets: [target], jobs: [job] }
      await store.saveApplied({ targets: [], jobs: [job, job] })
      await store.saveApplied(applied)
      expect(await (await again()).applied()).toEqual(applied)
      await store.saveApplied({ targets: [], jobs: [] })
      expect(await store.applied()).toEqual({ targets: [], jobs: [] })
    })

    law('gives fences that only grow, to each lease its own', async (store, again) => {
      const other = await again()
      const one = 'one' as InstanceId
      expect(await store.fenceOf('a')).toBe(0)
      const fences = await Promise.all(
        Array.from({ length: 20 }, (_, index) => (index % 2 ? store : other).takeFence('a', one)),
      )
      expect(fences.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1))
      expect(await other.fenceOf('a')).toBe(20)
      expect(await store.takeFence('b', one)).toBe(1)
    })

    law('keeps the journal in order until an entry is closed', async (store, again) => {
      const swap: JournalEntry = {
        id: 'b',
        openedAt: minute(1),
        kind: 'swap',
        restore: 'x' as never,
        moves: [{ from: '/a', to: '/b' }],
        leftovers: ['/c'],
        previous: null,
      }
      const remove: JournalEntry = {
        id: 'a',
        openedAt: minute(2),
        kind: 'delete',
        target: 'nas' as TargetId,
        key: 'k',
        backup: 'r1-data' as Backup['id'],
      }
      await store.openJournal(remove)
      await store.openJournal(swap)
      expect(await (await again()).journal()).toEqual([swap, remove])
      const moved = { ...swap, moves: [], previous: '/old' }
      await store.saveJournal(moved)
      await store.closeJournal('a')
      await store.closeJournal('a')
      expect(await store.journal()).toEqual([moved])
      await expect(store.openJournal(swap)).rejects.toThrow(StateRefused)
      await expect(store.saveJournal(remove)).rejects.toThrow(StateRefused)
    })

    law(
      'keeps messages until they are removed, the due ones oldest first',
      async (store, again) => {
        const message = (id: string, created: number, next: number): OutboxMessage => ({
          id,
          channel: 'ops',
          body: '{"ü":1}',
          attempts: 0,
          nextAt: minute(next),
          createdAt: minute(created),
        })
        await store.enqueue(message('late', 2, 2))
        await store.enqueue(message('early', 1, 2))
        await store.enqueue(message('later', 0, 9))
        await store.enqueue(message('early', 5, 5))
        const due = async (at: Instant) => (await (await again()).outbox(at)).map(({ id }) => id)
        expect(await due(minute(1))).toEqual([])
        expect(await due(minute(2))).toEqual(['early', 'late'])
        await store.saveMessage({ ...message('early', 1, 7), attempts: 1 })
        expect(await due(minute(2))).toEqual(['late'])
        await store.removeMessage('late')
        expect(await store.outbox(minute(8))).toEqual([{ ...message('early', 1, 7), attempts: 1 }])
        await store.saveMessage(message('late', 1, 1))
        expect(await due(minute(9))).toEqual(['later', 'early'])
      },
    )

    law('keeps facts until they are taken back', async (store) => {
      expect(await store.fact('x')).toBeNull()
      await store.saveFact('x', '1')
      await store.saveFact('x', '')
      expect(await store.fact('x')).toBe('')
      await store.saveFact('x', null)
      await store.saveFact('x', null)
      expect(await store.fact('x')).toBeNull()
    })

    law('keeps the pins of a target as its last listing told', async (store) => {
      const pin = (target: string, key: string): Pin => ({
        target: target as TargetId,
        key,
        reason: 'restored from',
        at: minute(0),
      })
      await store.savePins('nas' as TargetId, [pin('nas', 'b'), pin('nas', 'a')])
      await store.savePins('offsite' as TargetId, [pin('offsite', 'a')])
      await store.savePins('nas' as TargetId, [pin('nas', 'c')])
      expect(await store.pins()).toEqual([pin('nas', 'c'), pin('offsite', 'a')])
    })

    law('does many things at once without mixing them up', async (store) => {
      const all = await runs(
        store,
        Array.from({ length: 20 }, (_, index) => `r${index}`),
      )
      await Promise.all([
        ...all.map((run) => succeed(store, run)),
        ...all.map(() => store.history({ depth: 'full', jobs: null })),
        ...all.map(() =>
          store.closeRun('nothing' as Run['id'], 'failed', minute(0)).catch(() => {}),
        ),
      ])
      const { backups } = await store.history({ depth: 'full', jobs: null })
      expect(backups.filter(({ status }) => status === 'success')).toHaveLength(20)
    })
  })
}

async function runs<const Ids extends readonly string[]>(store: Store, ids: Ids) {
  const opened = ids.map((id, index) => runOf(id, 'shop', index))
  for (const run of opened) await store.openRun(run)
  return opened as { readonly [Index in keyof Ids]: Run }
}

async function succeed(store: Store, run: Run, more: Partial<Backup> = {}): Promise<Backup> {
  const backup = backupOf(run, more)
  await store.openBackup(backup)
  await store.closeBackup(backup.id, success(1))
  return { ...backup, ...success(1) }
}

function success(finished: number): BackupEnd {
  return {
    status: 'success',
    finishedAt: minute(finished),
    storedBytes: 42 as Bytes,
    contentBytes: null,
    error: null,
    warnings: [],
  }
}

function failure(error: string): BackupEnd {
  return { ...success(1), status: 'failed', storedBytes: null, error }
}

/** What a manifest tells. */
function found(id: string) {
  const run = runOf(id, 'shop', 0, { status: 'success', finishedAt: minute(5) })
  const backup = { ...backupOf(run), ...success(5) }
  return { run, backup, copy: copyOf(backup, 'nas') }
}
