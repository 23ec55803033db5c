import { describe, expect } from 'vitest'
import type {
  Applied,
  Backup,
  InstanceId,
  Instant,
  JobId,
  Pin,
  Run,
  TargetId,
} from '../../src/core/model.ts'
import type { JournalEntry, OutboxMessage } from '../../src/state/store.ts'
import { minute } from './history-fixtures.ts'
import { lawOf, type OpenStore, runs, succeed } from './store-bench.ts'

/** Laws of all that is no history. */
export function smallLaws(name: string, open: OpenStore): void {
  const law = lawOf(open)

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
      await store.closeJournal('a')
      await store.closeJournal('a')
      await store.openJournal({ ...swap, previous: '/old' })
      expect(await store.journal()).toEqual([swap])
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
        const tried = { ...message('early', 1, 7), attempts: 1 }
        const both = [store.saveMessage(tried, 0), (await again()).saveMessage(tried, 0)]
        expect((await Promise.all(both)).sort()).toEqual([false, true])
        expect(await due(minute(2))).toEqual(['late'])
        await store.removeMessage('late')
        expect(await store.outbox(minute(8))).toEqual([{ ...message('early', 1, 7), attempts: 1 }])
        expect(await store.saveMessage(message('late', 1, 1), 0)).toBe(false)
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
