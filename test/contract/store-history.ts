import { describe, expect } from 'vitest'
import type { JobId } from '../../src/core/model.ts'
import { backupOf, copyOf, minute, restoreOf, runOf } from './history-fixtures.ts'
import { lawOf, type OpenStore, runs, succeed } from './store-bench.ts'

/** Laws of what the history tells. */
export function historyLaws(name: string, open: OpenStore): void {
  const law = lawOf(open)

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

    law('tells of each group and target the verify that was made last', async (store) => {
      const verdicts = [
        { at: 1, target: 'nas', verify: 'ok', verifiedAt: minute(50) },
        { at: 2, target: 'nas', verify: 'failed', verifiedAt: minute(60) },
        { at: 3, target: 'nas', verify: 'ok', verifiedAt: minute(40) },
        { at: 4, target: 'nas', verify: 'never', verifiedAt: null },
        { at: 5, target: 'nas', verify: 'failed', verifiedAt: minute(70), status: 'pruned' },
        { at: 6, target: 'away', verify: 'failed', verifiedAt: minute(10) },
        { at: 7, target: 'away', verify: 'ok', verifiedAt: minute(20) },
      ] as const
      for (const { at, target, ...more } of verdicts) {
        const run = runOf(`r${at}`, 'shop', at)
        await store.openRun(run)
        await store.saveCopy(copyOf(await succeed(store, run), target, more))
      }
      const group = 'system/shop/data'
      expect(await store.verdicts()).toEqual([
        { group, target: 'away', isWell: true, at: minute(20) },
        { group, target: 'nas', isWell: false, at: minute(60) },
      ])
    })

    law('holds restores that run, and those of which something is owed', async (store) => {
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
        restoreOf('failed', broken),
        restoreOf('owed', { ...ended, status: 'success' }),
        restoreOf('running'),
      ])
      const full = await store.history({ depth: 'full', jobs: null })
      expect(full.restores).toHaveLength(5)
      expect(full.restores).toContainEqual(restoreOf('failed', broken))
      expect(full.restores).toContainEqual(
        restoreOf('released', { ...ended, status: 'success', previous: null, released: true }),
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

    law('forgets what nothing is left of, beyond the newest of each source', async (store) => {
      const all = Array.from({ length: 6 }, (_, index) => `r${index + 1}`)
      const opened = await runs(store, all)
      for (const run of opened) {
        const backup = await succeed(store, run)
        const status = run.id === 'r1' ? 'complete' : 'pruned'
        await store.saveCopy(copyOf(backup, 'nas', { status }))
        await store.closeRun(run.id, 'success', minute(9))
      }
      const other = runOf('o1', 'blog', 0)
      await store.openRun(other)
      await store.openBackup(backupOf(other))
      await store.trim(2)
      await store.trim(2)
      const left = await store.history({ depth: 'full', jobs: null })
      expect(left.backups.map(({ run }) => run).sort()).toEqual(['o1', 'r1', 'r5', 'r6'])
      expect(left.runs.map(({ id }) => id).sort()).toEqual(['o1', 'r1', 'r5', 'r6'])
      expect(left.copies.map(({ status }) => status).sort()).toEqual([
        'complete',
        'pruned',
        'pruned',
      ])
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
}
