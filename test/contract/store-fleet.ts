import { describe, expect } from 'vitest'
import type { Instance, Pause } from '../../src/core/fleet.ts'
import type { InstanceId, JobId, Millis } from '../../src/core/model.ts'
import type { HeldLease, LeaseHeld, LeaseTaken } from '../../src/state/fleet.ts'
import type { Store } from '../../src/state/store.ts'
import { minute } from './history-fixtures.ts'
import { lawOf, type OpenStore } from './store-bench.ts'

const ONE = 'one' as InstanceId
const TWO = 'two' as InstanceId
/** Longer than any test. */
const LONG = 3_600_000 as Millis
/** Over as soon as it is taken. */
const OVER = 0 as Millis

/** Laws of leases, instances and pauses. */
export function fleetLaws(name: string, open: OpenStore): void {
  leaseLaws(name, open)
  beatLaws(name, open)
  pauseLaws(name, open)
}

function leaseLaws(name: string, open: OpenStore): void {
  const law = lawOf(open)

  describe(`${name}: leases`, () => {
    law('are held by one, whoever else asks', async (store, again) => {
      const first = await take(store, 'job/shop', ONE)
      expect(await store.takeLease('job/blog', TWO, LONG)).toMatchObject({ kind: 'taken' })
      for (const who of [ONE, TWO]) {
        const answer = (await (await again()).takeLease('job/shop', who, LONG)) as LeaseHeld
        expect(answer).toMatchObject({ kind: 'held', instance: ONE })
        expect(answer.until).toBeGreaterThan(Date.now() + LONG / 2)
      }
      expect(await store.leases()).toMatchObject([
        { name: 'job/blog', instance: TWO },
        { name: 'job/shop', instance: ONE, fence: first.fence },
      ])
    })

    law('go to one of many that ask at once', async (store, again) => {
      const stores = [store, await again(), await again()]
      for (const round of ['a', 'b', 'c', 'd', 'e']) {
        const answers = await Promise.all(
          Array.from({ length: 30 }, (_, index) =>
            stores[index % 3]?.takeLease(`job/${round}`, `i${index}` as InstanceId, LONG),
          ),
        )
        expect(answers.filter((answer) => answer?.kind === 'taken')).toHaveLength(1)
        const [lease] = (await store.leases()).filter((one) => one.name === `job/${round}`)
        const winner = answers.findIndex((answer) => answer?.kind === 'taken')
        expect(lease).toMatchObject({ instance: `i${winner}`, fence: 1 })
      }
    })

    law('pass from hand to hand without a gap, each with a higher number', async (store, again) => {
      const other = await again()
      const fences: number[] = []
      const pass = async (through: Store, who: InstanceId) => {
        for (let got = 0; got < 10; ) {
          const answer = await through.takeLease('job/shop', who, LONG)
          if (answer.kind === 'held') continue
          got++
          fences.push(answer.fence)
          await through.dropLease({ name: 'job/shop', fence: answer.fence })
        }
      }
      await Promise.all([pass(store, ONE), pass(other, TWO)])
      expect(fences).toEqual(Array.from({ length: 20 }, (_, index) => index + 1))
    })

    law('end by themselves, and their numbers only grow', async (store, again) => {
      const first = await take(store, 'job/shop', ONE, OVER)
      expect(await store.leases()).toEqual([])
      const second = await take(await again(), 'job/shop', TWO, OVER)
      const third = await take(store, 'job/shop', ONE)
      expect([second.fence, third.fence]).toEqual([first.fence + 1, first.fence + 2])
      expect(await store.fenceOf('job/shop')).toBe(third.fence)
      expect(await store.takeFence('job/shop', ONE)).toBe(third.fence + 1)
    })

    law('are let go by whoever has their number, and by nobody else', async (store) => {
      const first = await take(store, 'job/shop', ONE, OVER)
      const second = await take(store, 'job/shop', TWO)
      await store.dropLease({ name: 'job/shop', fence: first.fence })
      expect(await store.leases()).toMatchObject([{ instance: TWO }])
      await store.dropLease({ name: 'job/shop', fence: second.fence })
      await store.dropLease({ name: 'job/shop', fence: second.fence })
      expect(await store.leases()).toEqual([])
      expect((await take(store, 'job/shop', ONE)).fence).toBe(second.fence + 1)
    })
  })
}

function beatLaws(name: string, open: OpenStore): void {
  const law = lawOf(open)

  describe(`${name}: a beat`, () => {
    law('renews what is still held with its number, and names it', async (store, again) => {
      const kept = await take(store, 'kept', ONE, OVER)
      const lost = await take(store, 'lost', ONE, OVER)
      const twice = await take(store, 'twice', ONE, OVER)
      const theirs = await take(store, 'lost', TWO)
      await take(store, 'twice', ONE, OVER)
      const held = [
        { name: 'kept', fence: kept.fence },
        { name: 'lost', fence: lost.fence },
        { name: 'lost', fence: theirs.fence },
        { name: 'twice', fence: twice.fence },
        { name: 'never', fence: 1 },
      ]
      const beat = await store.beat(life(ONE), held, LONG)
      expect(beat.held).toEqual(['kept'])
      expect(Math.abs(beat.now - Date.now())).toBeLessThan(60_000)
      const leases = await (await again()).leases()
      expect(leases).toMatchObject([
        { name: 'kept', instance: ONE, until: beat.now + LONG },
        { name: 'lost', instance: TWO },
      ])
      expect(await store.takeLease('kept', TWO, LONG)).toMatchObject({ kind: 'held' })
    })

    law('renews however many are held', async (store) => {
      const names = Array.from({ length: 1200 }, (_, index) => `job/${index}`)
      const held: HeldLease[] = []
      while (held.length < names.length) {
        const some = names.slice(held.length, held.length + 50)
        const taken = await Promise.all(some.map((one) => take(store, one, ONE)))
        held.push(...taken.map(({ fence }, index) => ({ name: some[index] ?? '', fence })))
      }
      const beat = await store.beat(life(ONE), held, LONG)
      expect([...beat.held].sort()).toEqual([...names].sort())
    })

    law('tells of an instance until its time is over', async (store, again) => {
      await store.beat({ ...life(TWO), name: 'alpha', isDraining: true }, [], LONG)
      const { now } = await store.beat(life(ONE), [], OVER)
      expect(await (await again()).instances()).toEqual([
        { ...life(TWO), name: 'alpha', isDraining: true, isAlive: true, until: expect.any(Number) },
        { ...life(ONE), isAlive: false, until: now },
      ])
      await store.beat({ ...life(TWO), name: 'alpha' }, [], LONG)
      expect((await store.instances())[0]).toMatchObject({ isDraining: false, isAlive: true })
    })

    law('is the last one of an instance that leaves, and its leases go with it', async (store) => {
      for (const who of [ONE, TWO]) {
        await store.beat(life(who), [], LONG)
        await take(store, `job/${who}`, who)
      }
      await store.leave(ONE)
      await store.leave(ONE)
      expect((await store.instances()).map(({ id }) => id)).toEqual([TWO])
      expect((await store.leases()).map((lease) => lease.name)).toEqual(['job/two'])
      expect((await take(store, 'job/one', TWO)).fence).toBe(2)
    })
  })
}

function pauseLaws(name: string, open: OpenStore): void {
  const law = lawOf(open)

  describe(`${name}: a pause`, () => {
    law('lasts until it is taken back, one for each subject', async (store, again) => {
      const pause = (subject: string, reason: string): Pause => ({
        subject: subject as JobId | '*',
        reason,
        author: 'ada@host',
        at: minute(1),
      })
      expect(await store.pauses()).toEqual([])
      await store.savePause(pause('shop', 'moving house'))
      await store.savePause(pause('*', 'fire'))
      await store.savePause(pause('shop', 'moved'))
      expect(await (await again()).pauses()).toEqual([pause('*', 'fire'), pause('shop', 'moved')])
      await store.removePause('*')
      await store.removePause('*')
      expect(await store.pauses()).toEqual([pause('shop', 'moved')])
    })
  })
}

/** The lease, which must be free. */
async function take(
  store: Store,
  name: string,
  instance: InstanceId,
  ttl: Millis = LONG,
): Promise<LeaseTaken> {
  const answer = await store.takeLease(name, instance, ttl)
  if (answer.kind === 'held') throw new Error(`${name} is held by ${answer.instance}`)
  return answer
}

function life(id: InstanceId): Instance {
  return {
    id,
    name: `name of ${id}`,
    kind: 'daemon',
    labels: ['ssd', 'ü'],
    host: 'host',
    pid: 42,
    version: '1.2.3',
    startedAt: minute(0),
    isDraining: false,
    skew: -3 as Millis,
  }
}
