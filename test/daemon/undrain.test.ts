import { expect, it } from 'vitest'
import type { Millis } from '../../src/core/model.ts'
import { poll } from '../support/daemon.ts'
import { openGate } from './gate.ts'
import { makeLoop } from './loop.ts'

it('a drain that was taken back lets what runs go on past its timeout', async () => {
  await using gate = await openGate()
  const source = { type: 'command', name: 'slow', backup: ['cat', gate.path] }
  const jobs = { slow: { first_run: 'now', source } }
  const config = { targets: { here: { type: 'local', path: 'target' } }, jobs }
  await using loop = await makeLoop(config, { now: '2026-11-20T10:00:00Z' })
  await loop.pass()
  await poll(() => loop.named('backup.started').length === 1, 'the backup')
  const drained = loop.dispatch().drain(100 as Millis)
  expect(loop.dispatch().isDraining()).toBe(true)
  loop.dispatch().undrain()
  const over = performance.now() + 300
  await poll(() => performance.now() > over, 'the end of its timeout')
  await gate.pass('end')
  expect(await drained).toBe('drained')
  await poll(() => loop.named('backup.done').length === 1, 'the end of the backup')
  expect(loop.named('backup.failed')).toEqual([])
})
