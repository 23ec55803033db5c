import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { InstanceId } from '../../src/core/model.ts'
import type { Lease, Leases } from '../../src/leases/lease.ts'
import { lockDaemon, openMachineLeases } from '../../src/leases/machine.ts'
import { LeaseLost, StateRefused } from '../../src/lib/errors.ts'
import { openSqliteStore } from '../../src/state/sqlite.ts'
import type { Store } from '../../src/state/store.ts'
import type { Order } from './machine-child.ts'

let folder: string
let store: Store
let leases: Leases
let children: ChildProcess[]

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-leases-'))
  store = await openSqliteStore({ path: join(folder, 'state.db') })
  leases = open('here')
  children = []
})

afterEach(async () => {
  for (const child of children) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  await leases.close()
  await store.close()
  rmSync(folder, { recursive: true, force: true })
})

describe('a lease on this machine', () => {
  it('is granted to one at a time, also within one process', async () => {
    const lease = await granted(leases, 'job/a')
    expect(await leases.acquire('job/a')).toMatchObject({
      kind: 'busy',
      holder: expect.stringContaining(`instance here (pid ${process.pid} on `),
    })
    await granted(leases, 'job/b')
    await lease.release()
    await granted(leases, 'job/a')
  })

  it('is refused to another process, which learns who holds it', async () => {
    await granted(leases, 'job/a')
    const other = await start('there')
    expect(await tell(other, { do: 'acquire', name: 'job/a' })).toMatchObject({
      kind: 'busy',
      holder: expect.stringContaining(`instance here (pid ${process.pid} on `),
    })
  })

  it('grows its fence with every grant, whoever gets it', async () => {
    const other = await start('there')
    const fences: number[] = []
    for (let round = 0; round < 3; round++) {
      const lease = await granted(leases, 'job/a')
      fences.push(lease.fence)
      await lease.release()
      const theirs = (await tell(other, { do: 'acquire', name: 'job/a' })) as { fence: number }
      fences.push(theirs.fence)
      await tell(other, { do: 'release', name: 'job/a' })
    }
    expect(fences).toEqual([1, 2, 3, 4, 5, 6])
  })

  it('is free at once when its holder is killed', async () => {
    for (let round = 0; round < 3; round++) {
      const other = await start(`victim-${round}`)
      expect(await tell(other, { do: 'acquire', name: 'job/a' })).toMatchObject({ kind: 'granted' })
      expect(await leases.acquire('job/a')).toMatchObject({ kind: 'busy' })
      other.kill('SIGKILL')
      await once(other, 'exit')
      await (await granted(leases, 'job/a')).release()
    }
  })

  it('goes to exactly one of two processes that race for it', async () => {
    const racers = await Promise.all([start('one'), start('two')])
    for (let round = 0; round < 300; round++) {
      const name = `job/${round % 3}`
      const answers = await Promise.all(racers.map((racer) => tell(racer, { do: 'acquire', name })))
      const winners = racers.filter(
        (_, index) => (answers[index] as { kind: string }).kind === 'granted',
      )
      expect(winners, `round ${round}: ${JSON.stringify(answers)}`).toHaveLength(1)
      await Promise.all(winners.map((winner) => tell(winner, { do: 'release', name })))
    }
  })

  it('is lost, and says so by its signal, when a newer fence was given', async () => {
    const lease = await granted(leases, 'job/a')
    await lease.confirm()
    expect(lease.signal.aborted).toBe(false)
    await store.takeFence('job/a', 'thief' as InstanceId)
    await expect(lease.confirm()).rejects.toThrow(LeaseLost)
    expect(lease.signal.reason).toBeInstanceOf(LeaseLost)
    await expect(lease.confirm()).rejects.toThrow(LeaseLost)
    await lease.release()
  })

  it('confirms nothing after its release, and minds no second one', async () => {
    const lease = await granted(leases, 'job/a')
    await lease.release()
    await expect(lease.confirm()).rejects.toThrow(LeaseLost)
    const next = await granted(leases, 'job/a')
    await lease.release()
    expect(await leases.acquire('job/a')).toMatchObject({ kind: 'busy' })
    await next.confirm()
  })

  it('is not kept when no fence could be had', async () => {
    const broken = openMachineLeases({
      folder: join(folder, 'leases'),
      instance: 'broken' as InstanceId,
      fences: {
        takeFence: () => Promise.reject(new Error('no database')),
        fenceOf: () => Promise.resolve(0),
      },
    })
    await expect(broken.acquire('job/a')).rejects.toThrow('no database')
    await (await granted(leases, 'job/a')).release()
    await broken.close()
  })

  it('takes any name, and tells long ones apart', async () => {
    const names = ['../../etc/passwd', 'a b\n"c"', 'ümlaut/ß', 'x'.repeat(500), 'x'.repeat(501), '']
    for (const name of names) await granted(leases, name)
    for (const name of names) expect(await leases.acquire(name)).toMatchObject({ kind: 'busy' })
    expect(readdirSync(folder).sort()).toEqual([
      'leases',
      'state.db',
      'state.db-shm',
      'state.db-wal',
    ])
  })

  it('leaks no descriptor, granted or busy', async () => {
    const before = readdirSync('/proc/self/fd').length
    for (let round = 0; round < 200; round++) {
      const lease = await granted(leases, 'job/a')
      await leases.acquire('job/a')
      await leases.isAlive('nobody' as InstanceId)
      await lease.release()
    }
    expect(readdirSync('/proc/self/fd').length).toBe(before)
  })

  it('ends when its leases are closed, and its work is told', async () => {
    const mine = open('closing')
    const lease = await granted(mine, 'job/a')
    await mine.close()
    expect(lease.signal.reason).toBeInstanceOf(LeaseLost)
    await granted(leases, 'job/a')
  })
})

describe('an instance', () => {
  it('is spared by those that start, and sweep, at the same moment', async () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f']
    await Promise.all(names.map(start))
    for (const name of names) expect(await leases.isAlive(name as InstanceId)).toBe(true)
  })

  it('is alive until it is killed', async () => {
    const other = await start('there')
    expect(await leases.isAlive('here' as InstanceId)).toBe(true)
    expect(await leases.isAlive('there' as InstanceId)).toBe(true)
    expect(await tell(other, { do: 'isAlive', name: 'here' })).toBe(true)
    expect(await leases.isAlive('nobody' as InstanceId)).toBe(false)
    other.kill('SIGKILL')
    await once(other, 'exit')
    expect(await leases.isAlive('there' as InstanceId)).toBe(false)
  })

  it('is not alive after it closed', async () => {
    const mine = open('closing')
    expect(await leases.isAlive('closing' as InstanceId)).toBe(true)
    await mine.close()
    expect(await leases.isAlive('closing' as InstanceId)).toBe(false)
  })

  it('is refused while another process lives under its id', async () => {
    await start('there')
    expect(() => open('there')).toThrow('instance there is held by another process')
  })

  it('leaves nothing behind: the next one to open sweeps the dead and spares the living', async () => {
    const [dead] = await Promise.all([start('dead'), start('living')])
    dead.kill('SIGKILL')
    await once(dead, 'exit')
    const lives = join(folder, 'leases', 'instances')
    expect(existsSync(join(lives, 'dead.db'))).toBe(true)
    const next = open('next')
    expect(readdirSync(lives).sort()).toEqual(['here.db', 'living.db', 'next.db'])
    expect(await leases.isAlive('living' as InstanceId)).toBe(true)
    await next.close()
  })
})

describe('the lock of a daemon', () => {
  it('keeps a second daemon off the same data_dir, naming the first one', () => {
    const first = lockDaemon(folder, 'here' as InstanceId)
    const second = () => lockDaemon(folder, 'there' as InstanceId)
    expect(second).toThrow(StateRefused)
    expect(second).toThrow(`instance here (pid ${process.pid} on `)
    first.release()
    first.release()
    second().release()
  })

  it('says so when its folder cannot be one', () => {
    writeFileSync(join(folder, 'file'), '')
    expect(() => lockDaemon(join(folder, 'file'), 'here' as InstanceId)).toThrow(StateRefused)
  })
})

function open(instance: string): Leases {
  return openMachineLeases({
    folder: join(folder, 'leases'),
    fences: store,
    instance: instance as InstanceId,
  })
}

async function granted(from: Leases, name: string): Promise<Lease> {
  const lease = await from.acquire(name)
  if (lease.kind === 'busy') throw new Error(`${name} is held by ${lease.holder}`)
  return lease
}

async function start(instance: string): Promise<ChildProcess> {
  const child = fork(join(import.meta.dirname, 'machine-child.ts'), [folder, instance], {
    execArgv: [],
  })
  children.push(child)
  await once(child, 'message')
  return child
}

async function tell(child: ChildProcess, order: Order): Promise<unknown> {
  child.send(order)
  const [answer] = await once(child, 'message')
  return answer
}
