import { afterEach, beforeEach, expect, it } from 'vitest'
import type { JobId } from '../../src/core/model.ts'
import { EVERY_KIND } from '../../src/daemon/turn.ts'
import { createWorkers, type Workers } from '../../src/daemon/workers.ts'
import { StateRefused } from '../../src/lib/errors.ts'
import type { World } from '../../src/observe/world.ts'
import { type Loop, makeLoop } from './loop.ts'

const NEVER = new AbortController().signal

let loop: Loop
let workers: Workers
/** Why no lease is given, or null. */
let refusal: string | null

beforeEach(async () => {
  const source = { type: 'command', name: 'words', backup: ['date'] }
  const rest = { schedule: '0 2 * * *', source }
  const config = {
    targets: { here: { type: 'local', path: 'target' } },
    jobs: { a: rest, b: rest },
  }
  loop = await makeLoop(config, { now: '2026-11-20T10:00:00Z' })
  workers = createWorkers(() => {})
  refusal = null
})

afterEach(() => loop[Symbol.asyncDispose]())

/** The world, with a state that gives leases or refuses them. */
function world(): World {
  const { leases, ...rest } = loop.world()
  const acquire: typeof leases.acquire = async (name) => {
    if (refusal !== null) throw new StateRefused(refusal)
    return await leases.acquire(name)
  }
  return { ...rest, leases: { ...leases, acquire } }
}

/** A turn of each of them, from its begin to its end. */
async function turnsOf(...jobs: readonly string[]): Promise<void> {
  const asking = { onRoom: () => {}, over: () => {} }
  const parts = { asking, isOwed: false, kinds: EVERY_KIND, onHeld: async () => true }
  for (const job of jobs as readonly JobId[]) {
    workers.start({ job, ...parts }, world(), NEVER)
    await workers.running.get(job)?.done
  }
}

const told = () => loop.named('pass.failed').map(({ message }) => message)

it('a state that refuses turns is told once for each job, and again when it refuses after it was well', async () => {
  refusal = 'the state is away'
  await turnsOf('a', 'b', 'a', 'b', 'a')
  const once = ['a', 'b'].map((job) => `the turn of job ${job} broke off: ${refusal}`)
  expect(told()).toEqual(once)

  refusal = 'the disk is full'
  await turnsOf('a', 'a')
  expect(told()).toEqual([...once, 'the turn of job a broke off: the disk is full'])

  refusal = null
  loop.events.length = 0
  await turnsOf('a')
  expect(told()).toEqual([])
  refusal = 'the disk is full'
  await turnsOf('a', 'a')
  expect(told()).toEqual(['the turn of job a broke off: the disk is full'])
  // The other one has not been well meanwhile.
  refusal = 'the state is away'
  await turnsOf('b')
  expect(told()).toHaveLength(1)
})
