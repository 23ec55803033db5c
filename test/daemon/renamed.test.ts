import { afterEach, beforeEach, expect, it } from 'vitest'
import type { EventName } from '../../src/core/event.ts'
import { poll } from '../support/daemon.ts'
import { type Gate, openGate } from './gate.ts'
import { type Loop, makeLoop } from './loop.ts'

let gate: Gate
let loop: Loop

beforeEach(async () => {
  gate = await openGate()
})

afterEach(async () => {
  await loop[Symbol.asyncDispose]()
  await gate[Symbol.asyncDispose]()
})

/** Two sources, of which the first one waits at the gate. */
function config(name: string, more: object = {}): object {
  const sources = [
    { type: 'command', name: 'slow', backup: ['cat', gate.path] },
    { type: 'command', name: 'quick', backup: ['date', '+%N'] },
  ]
  const objectives = { verified_within: '1h' }
  const job = { schedule: '0 2 * * *', objectives, sources, ...more }
  return { targets: { here: { type: 'local', path: 'target' } }, jobs: { [name]: job } }
}

/** What was told, by the job and the source. */
const named = (event: EventName) =>
  loop.named(event).map(({ job, source }) => `${job} ${source ?? ''}`.trim())

it('a job that is renamed while it runs ends its slot once, in one turn, and is itself by the new name', async () => {
  loop = await makeLoop(config('before'), { now: '2026-11-20T12:00:00Z' })
  loop.setTime('2026-11-21T02:00:00Z')
  await loop.pass()
  await gate.pass('words')
  await poll(() => loop.underWay() === 0, 'the first slot')
  loop.setTime('2026-11-22T02:00:00Z')
  await loop.pass()
  await poll(() => loop.named('backup.started').length === 3, 'the second slot')
  loop.events.length = 0
  await loop.configure(config('after', { renamed_from: 'before' }))
  // A verify is owed meanwhile, and then the next slot comes.
  for (const time of ['2026-11-22T05:00:00Z', '2026-11-23T02:00:00Z']) {
    loop.setTime(time)
    for (let pass = 0; pass < 3; pass++) await loop.pass()
  }
  expect(named('lease.taken')).toEqual([])
  expect(named('backup.skipped')).toEqual(['after'])

  await gate.pass('words')
  await poll(() => loop.named('backup.done').length === 2, 'the end of the slot')
  expect(named('backup.done')).toEqual(['before slow', 'before quick'])
  await loop.quiet()
  for (const event of ['backup.failed', 'backup.abandoned', 'pass.failed'] as const) {
    expect(loop.named(event)).toEqual([])
  }
  const { backups, runs } = await loop.history()
  const ends = backups.filter(({ status }) => status !== 'skipped').map(({ status }) => status)
  expect(ends).toEqual(Array(4).fill('success'))
  expect(runs.map(({ status }) => status).sort()).toEqual(['skipped', 'success', 'success'])

  loop.events.length = 0
  loop.setTime('2026-11-24T02:00:00Z')
  await loop.pass()
  await gate.pass('words')
  await poll(() => loop.named('backup.done').length === 2, 'the slot after')
  expect(named('backup.done')).toEqual(['after slow', 'after quick'])
})
