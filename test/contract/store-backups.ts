import { describe, expect } from 'vitest'
import type { Backup, Bytes, Run } from '../../src/core/model.ts'
import { StateRefused } from '../../src/lib/errors.ts'
import { backupOf, copyOf, minute, runOf } from './history-fixtures.ts'
import { failure, found, lawOf, type OpenStore, runs, succeed, success } from './store-bench.ts'

/** Laws of slots, backups, copies and adoption. */
export function backupLaws(name: string, open: OpenStore): void {
  const law = lawOf(open)

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

    law(
      'turns an attempt that died after its manifest into a success, and ends no run',
      async (store) => {
        const { run, backup, copy } = found('r1')
        await store.openRun({ ...run, status: 'running', finishedAt: null })
        await store.openBackup(backupOf(run))
        await store.saveCopy({ ...copy, status: 'writing' })
        await store.adopt(run, backup, copy)
        expect(await store.history({ depth: 'full', jobs: null })).toMatchObject({
          runs: [{ ...run, status: 'running', finishedAt: null }],
          backups: [backup],
          copies: [copy],
        })
      },
    )

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
}
