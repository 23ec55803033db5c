import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Millis } from '../../src/core/model.ts'
import { poll } from '../support/daemon.ts'
import { type Gate, openGate } from './gate.ts'
import { type Loop, makeLoop } from './loop.ts'

let gate: Gate
let loop: Loop

beforeEach(async () => {
  gate = await openGate()
  const source = { type: 'command', name: 'slow', backup: ['cat', gate.path] }
  const jobs = { slow: { first_run: 'now', source, retry: { attempts: 3, within: '2h' } } }
  const config = { targets: { here: { type: 'local', path: 'target' } }, jobs }
  loop = await makeLoop(config, { now: '2026-11-20T10:00:00Z' })
  await loop.pass()
  await poll(() => loop.named('backup.started').length === 1, 'the backup')
})

afterEach(async () => {
  await loop[Symbol.asyncDispose]()
  await gate[Symbol.asyncDispose]()
})

const LONG = 60_000 as Millis
const SHORT = 100 as Millis

it('a drain that was taken back lets what runs go on past its timeout', async () => {
  const drained = loop.dispatch().drain(SHORT)
  expect(loop.dispatch().isDraining()).toBe(true)
  loop.dispatch().undrain()
  const over = performance.now() + 300
  await poll(() => performance.now() > over, 'the end of its timeout')
  await gate.pass('end')
  expect(await drained).toBe('drained')
  await poll(() => loop.named('backup.done').length === 1, 'the end of the backup')
  expect(loop.named('backup.failed')).toEqual([])
})

it('a second drain joins the first while that lasts, and has a timeout of its own after an undrain', async () => {
  const first = loop.dispatch().drain(LONG)
  expect(loop.dispatch().drain(SHORT)).toBe(first)
  loop.dispatch().undrain()
  expect(await loop.dispatch().drain(SHORT)).toBe('handed-over')
  expect(loop.named('backup.failed')).toMatchObject([
    { error: { message: 'the drain took longer than 100ms' } },
  ])
  await loop.pass()
  expect(loop.named('backup.started')).toHaveLength(1)
})

it('what begins after an undrain is not aborted by the drain before, and ends in the next one', async () => {
  expect(await loop.dispatch().drain(SHORT)).toBe('handed-over')
  loop.dispatch().undrain()
  expect(loop.dispatch().isDraining()).toBe(false)
  loop.setTime('2026-11-20T10:30:00Z')
  await poll(async () => {
    await loop.pass()
    return loop.named('backup.started').length === 2
  }, 'the next attempt')
  const second = loop.dispatch().drain(LONG)
  await gate.pass('end')
  expect(await second).toBe('drained')
  expect(loop.named('backup.failed')).toHaveLength(1)
  expect(loop.named('backup.done')).toHaveLength(1)
})
