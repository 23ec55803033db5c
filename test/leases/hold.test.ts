import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { InstanceId } from '../../src/core/model.ts'
import { hold, holdPatiently, type Leases } from '../../src/leases/lease.ts'
import { openMachineLeases } from '../../src/leases/machine.ts'
import { LeaseLost } from '../../src/lib/errors.ts'
import { openSqliteStore } from '../../src/state/sqlite.ts'
import type { Store } from '../../src/state/store.ts'

let folder: string
let store: Store
let leases: Leases

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-hold-'))
  store = await openSqliteStore({ path: join(folder, 'state.db') })
  leases = openMachineLeases({ folder, fences: store, instance: 'here' as InstanceId })
})

afterEach(async () => {
  await leases.close()
  await store.close()
  rmSync(folder, { recursive: true, force: true })
})

describe('hold', () => {
  const never = new AbortController().signal

  it('gives the result of the work, and the lease back', async () => {
    const turn = await hold(leases, 'job/a', never, async (lease) => lease.name)
    expect(turn).toEqual({ kind: 'held', value: 'job/a' })
    expect(await leases.acquire('job/a')).toMatchObject({ kind: 'granted' })
  })

  it('says who is in the way, and does no work', async () => {
    expect(await leases.acquire('job/a')).toMatchObject({ kind: 'granted' })
    const turn = await hold(leases, 'job/a', never, () => Promise.reject(new Error('worked')))
    expect(turn).toMatchObject({ kind: 'busy', holder: expect.stringContaining('instance here') })
  })

  it('gives the lease back when the work fails, and lets the failure through', async () => {
    const work = () => Promise.reject(new Error('disk full'))
    await expect(hold(leases, 'job/a', never, work)).rejects.toThrow('disk full')
    expect(await leases.acquire('job/a')).toMatchObject({ kind: 'granted' })
  })

  it('stops the work when the lease is lost, and when the caller stops', async () => {
    const stopped = (held: AbortSignal) =>
      new Promise((resolve) => held.addEventListener('abort', () => resolve(held.reason)))
    const lost = await hold(leases, 'job/a', never, async (lease, held) => {
      const reason = stopped(held)
      await store.takeFence('job/a', 'thief' as InstanceId)
      await lease.confirm().catch(() => {})
      return reason
    })
    expect(lost).toMatchObject({ kind: 'held', value: expect.any(LeaseLost) })

    const caller = new AbortController()
    const told = await hold(leases, 'job/a', caller.signal, async (_lease, held) => {
      const reason = stopped(held)
      caller.abort('shutdown')
      return reason
    })
    expect(told).toEqual({ kind: 'held', value: 'shutdown' })
  })

  it('ends its patience with the reason when the caller stops', async () => {
    await leases.acquire('job/a')
    const caller = new AbortController()
    const asked = { leases, patience: 60_000 }
    const waiting = holdPatiently(asked, 'job/a', caller.signal, async () => 'work')
    const reason = new Error('shutdown')
    setTimeout(() => caller.abort(reason), 20)
    await expect(waiting).rejects.toBe(reason)
  })
})
