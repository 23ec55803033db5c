import { describe, expect, it } from 'vitest'
import { LeaseLost, StateRefused } from '../../src/lib/errors.ts'
import { granted, lost, openFleet, TTL, takenOver, told, until } from './fleet.ts'

// Each has a database of its own, and most of them wait.
describe.concurrent('a lease in the database alone', () => {
  it('is granted to one instance at a time, which is named to the others', async () => {
    await using fleet = await openFleet()
    const [one, two] = [await fleet.open('one'), await fleet.open('two')]
    const lease = await granted(one.leases, 'job/a')
    const busy = {
      kind: 'busy',
      holder: expect.stringMatching(/^instance one-name \(pid \d+ on here\)/),
    }
    expect(await two.leases.acquire('job/a')).toMatchObject(busy)
    expect(await one.leases.acquire('job/a')).toMatchObject(busy)
    await granted(two.leases, 'job/b')
    await lease.release()
    const next = await granted(two.leases, 'job/a')
    expect(next.fence).toBeGreaterThan(lease.fence)
    await lease.release()
    await next.confirm()
    await expect(lease.confirm()).rejects.toThrow(LeaseLost)
  })

  it('goes to exactly one of those who race for it', async () => {
    await using fleet = await openFleet()
    const members = await Promise.all(['one', 'two', 'three'].map((id) => fleet.open(id)))
    for (let round = 0; round < 50; round++) {
      const got = await Promise.all(members.map(({ leases }) => leases.acquire('job/a')))
      const winners = got.filter((one) => one.kind === 'granted')
      expect(winners).toHaveLength(1)
      for (const winner of winners) await winner.release()
    }
  })

  it('lasts as long as its holder lives', async () => {
    await using fleet = await openFleet()
    const [one, two] = [await fleet.open('one'), await fleet.open('two')]
    const lease = await granted(one.leases, 'job/a')
    const end = performance.now() + 2 * TTL
    await until(async () => {
      expect(await two.leases.acquire('job/a')).toMatchObject({ kind: 'busy' })
      return performance.now() > end
    })
    await lease.confirm()
    expect(lease.signal.aborted).toBe(false)
  })

  it('is lost within its time by who is cut off, before another one can have it', async () => {
    await using fleet = await openFleet()
    const [one, two] = [await fleet.open('one'), await fleet.open('two')]
    const lease = await granted(one.leases, 'job/a')
    one.database.cut()
    const { lease: next } = await takenOver(two.leases, 'job/a')
    expect(lease.signal.reason).toBeInstanceOf(LeaseLost)
    expect(await one.leases.acquire('job/a')).toMatchObject({ kind: 'busy' })
    one.database.heal()
    await expect(lease.confirm()).rejects.toThrow(LeaseLost)
    await lease.release()
    await next.confirm()
    expect(told(one, 'state.lost')).toBe(1)
  })

  it('is lost by who hangs on a database that answers nothing', async () => {
    await using fleet = await openFleet()
    const one = await fleet.open('one')
    const lease = await granted(one.leases, 'job/a')
    one.database.stall()
    expect(await lost(lease)).toBeInstanceOf(LeaseLost)
    await lease.release()
    await expect(one.leases.acquire('job/b')).rejects.toThrow(StateRefused)
    one.database.heal()
    await until(() => told(one, 'state.back') === 1)
    await granted(one.leases, 'job/b')
  })

  it('is lost at once when the database knows of another holder', async () => {
    await using fleet = await openFleet()
    const one = await fleet.open('one')
    const lease = await granted(one.leases, 'job/a')
    await fleet.store.dropLease({ name: 'job/a', fence: lease.fence })
    await one.leases.beat()
    expect(lease.signal.reason).toMatchObject({
      message: expect.stringContaining('another holder'),
    })
  })

  it('is not confirmed on an old number', async () => {
    await using fleet = await openFleet()
    const one = await fleet.open('one')
    const lease = await granted(one.leases, 'job/a')
    await lease.confirm()
    await fleet.store.takeFence('job/a', one.id)
    await expect(lease.confirm()).rejects.toThrow(LeaseLost)
    expect(lease.signal.aborted).toBe(true)
  })

  it('is not given to an instance that cannot reach the database', async () => {
    await using fleet = await openFleet()
    const one = await fleet.open('one')
    one.database.cut()
    await expect(one.leases.acquire('job/a')).rejects.toThrow(StateRefused)
    expect(one.leases.state()).toMatchObject({ database: { kind: 'away' }, held: [] })
    one.database.heal()
    await granted(one.leases, 'job/a')
    expect(one.leases.state()).toMatchObject({ database: { kind: 'reached' }, held: ['job/a'] })
    expect(told(one, 'state.lost')).toBe(1)
    expect(told(one, 'state.back')).toBe(1)
  })

  it('is let go of without masking a result, whatever became of the database', async () => {
    await using fleet = await openFleet()
    const one = await fleet.open('one')
    for (const way of ['cut', 'stall'] as const) {
      const lease = await granted(one.leases, `job/${way}`)
      one.database[way]()
      await lease.release()
      await lease.release()
      one.database.heal()
    }
  })

  it('ends when its leases are closed, and is free at once', async () => {
    await using fleet = await openFleet()
    const [one, two] = [await fleet.open('one'), await fleet.open('two')]
    const lease = await granted(one.leases, 'job/a')
    await one.leases.close()
    expect(lease.signal.reason).toBeInstanceOf(LeaseLost)
    await expect(lease.confirm()).rejects.toThrow(LeaseLost)
    await granted(two.leases, 'job/a')
    await expect(one.leases.acquire('job/b')).rejects.toThrow(LeaseLost)
    expect((await fleet.store.leases()).map(({ name }) => name)).toEqual(['job/a'])
    expect((await fleet.store.instances()).map(({ id }) => id)).toEqual(['two'])
  })

  it('comes to life no more once they are closed, whoever tells of itself meanwhile', async () => {
    await using fleet = await openFleet()
    for (const id of ['one', 'two', 'three']) {
      const { leases } = await fleet.open(id)
      // One told before, one at the same time, and one by whom the end came first.
      const told = leases.beat()
      const closed = leases.close()
      await Promise.all([told, closed, leases.beat()])
      await leases.beat()
    }
    expect(await fleet.store.instances()).toEqual([])
  })

  it('is not opened without the database', async () => {
    await using fleet = await openFleet()
    await fleet.store.close()
    await expect(fleet.open('one')).rejects.toThrow(StateRefused)
  })
})

describe.concurrent('an instance of a deployment', () => {
  it('is alive until its time is over, and not after it closed', async () => {
    await using fleet = await openFleet()
    const [one, two] = [await fleet.open('one'), await fleet.open('two')]
    const three = await fleet.open('three')
    for (const { id } of [one, two, three]) expect(await one.leases.isAlive(id)).toBe(true)
    await three.leases.close()
    expect(await one.leases.isAlive(three.id)).toBe(false)
    two.database.stall()
    await until(async () => !(await one.leases.isAlive(two.id)))
  })

  it('tells how far its clock is ahead of the database', async () => {
    await using fleet = await openFleet()
    const [ahead, behind] = [
      await fleet.open('ahead', { ahead: 90_000 }),
      await fleet.open('behind', { ahead: -90_000 }),
    ]
    await ahead.leases.beat()
    await behind.leases.beat()
    const { by, error } = ahead.leases.state().skew ?? { by: 0, error: 0 }
    expect(Math.abs(by - 90_000)).toBeLessThanOrEqual(error + 2)
    const [first, second] = await fleet.store.instances()
    expect(first?.skew).toBeGreaterThan(80_000)
    expect(second?.skew).toBeLessThan(-80_000)
  })
})
