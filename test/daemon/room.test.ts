import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { JobId } from '../../src/core/model.ts'
import { takeRoom } from '../../src/daemon/room.ts'
import { StateRefused } from '../../src/lib/errors.ts'
import { poll } from '../support/daemon.ts'
import { type Gate, openGate } from './gate.ts'
import { type Loop, makeLoop } from './loop.ts'

const NOW = '2026-11-20T12:00:00Z'
const TARGETS = { one: ['narrow'], two: ['narrow', 'wide'], other: ['wide'] } as const
type Job = keyof typeof TARGETS

let gates: Readonly<Record<Job, Gate>>
let loop: Loop

beforeEach(async () => {
  gates = { one: await openGate(), two: await openGate(), other: await openGate() }
})

afterEach(async () => {
  await loop[Symbol.asyncDispose]()
  for (const gate of Object.values(gates)) await gate[Symbol.asyncDispose]()
})

function job(name: Job) {
  const source = { type: 'command', name: 'words', backup: ['cat', gates[name].path] }
  return { first_run: 'now', source, targets: TARGETS[name] }
}

const started = () => loop.named('backup.started').map((event) => event.job as Job)

describe('a target that bounds how many write there at once', () => {
  it('is written by no more jobs than that, and whoever waits for it holds nothing else up', async () => {
    const narrow = { type: 'local', path: 'narrow', concurrency: 1 }
    loop = await makeLoop(
      {
        limits: { concurrency: 4 },
        targets: { narrow, wide: { type: 'local', path: 'wide' } },
        jobs: { one: job('one'), two: job('two'), other: job('other') },
      },
      { now: NOW },
    )
    await loop.pass()
    await poll(() => started().length === 2, 'two backups')
    await loop.pass()
    expect(started()).toHaveLength(2)
    expect(started()).toContain('other')
    const first = started().find((name) => name !== 'other') ?? 'one'
    await gates[first].pass('words')
    // The one that found it full asks again after a while.
    await poll(async () => {
      await loop.pass()
      return started().length === 3
    }, 'the other one')
    await gates[first === 'one' ? 'two' : 'one'].pass('words')
    await gates.other.pass('words')
    await poll(() => loop.named('backup.done').length === 3, 'all of them')
    const { backups } = await loop.history()
    const [early, late] = backups
      .filter(({ job: name }) => name !== 'other')
      .sort((a, b) => a.startedAt - b.startedAt)
    expect(late?.startedAt).toBeGreaterThanOrEqual(early?.finishedAt ?? Number.POSITIVE_INFINITY)
  })

  it('is given at once to whoever waits longest for it, and asked for by no other meanwhile', async () => {
    const at = (time: string, name: Job) => ({ ...job(name), first_run: 'slot', schedule: time })
    loop = await makeLoop(
      {
        limits: { concurrency: 4 },
        targets: {
          narrow: { type: 'local', path: 'narrow', concurrency: 1 },
          wide: { type: 'local', path: 'wide' },
        },
        // By their names the other way round.
        jobs: {
          one: { ...at('2 13 * * *', 'one'), targets: ['narrow'] },
          other: { ...at('1 13 * * *', 'other'), targets: ['narrow'] },
          two: { ...at('0 13 * * *', 'two'), targets: ['narrow'] },
        },
      },
      { now: NOW },
    )
    for (const minute of ['00', '01', '02']) {
      loop.setTime(`2026-11-20T13:${minute}:00Z`)
      await loop.pass()
      await poll(() => started().length === 1, 'the first backup')
    }
    for (const [index, name] of (['two', 'other', 'one'] as const).entries()) {
      await poll(() => started().length === index + 1, `the backup of ${name}`)
      expect(started().at(-1)).toBe(name)
      await gates[name].pass('words')
      const ended = performance.now()
      await poll(() => loop.named('backup.done').length === index + 1, 'its end')
      await poll(async () => {
        await loop.pass()
        return started().length === Math.min(index + 2, 3)
      }, 'the next one')
      expect(performance.now() - ended).toBeLessThan(5_000)
    }
  })

  it('is let go of when the state fails before the places on all targets are had', async () => {
    const bounded = (path: string) => ({ type: 'local', path, concurrency: 1 })
    loop = await makeLoop(
      {
        targets: { narrow: bounded('narrow'), wide: bounded('wide') },
        jobs: { two: { ...job('two'), first_run: 'slot' } },
      },
      { now: NOW },
    )
    const world = loop.world()
    const { leases } = world
    const failing: typeof leases = {
      ...leases,
      acquire: async (name) => {
        if (name === 'target:wide:1') throw new StateRefused('the state is away')
        return await leases.acquire(name)
      },
    }
    await expect(takeRoom('two' as JobId, { ...world, leases: failing })).rejects.toThrow(
      StateRefused,
    )
    const again = await takeRoom('two' as JobId, world)
    expect(again.kind).toBe('room')
    // Full on the second one, it keeps nothing on the first.
    if (again.kind === 'room') await again[Symbol.asyncDispose]()
    const other = await leases.acquire('target:wide:1')
    expect(await takeRoom('two' as JobId, world)).toMatchObject({ kind: 'busy', target: 'wide' })
    if (other.kind === 'granted') await other.release()
    expect((await takeRoom('two' as JobId, world)).kind).toBe('room')
  })
})
