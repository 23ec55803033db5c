import { rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Copy, Run } from '../../src/core/model.ts'
import { backupOf, copyOf, runOf } from '../contract/history-fixtures.ts'
import { type Loop, makeLoop } from './loop.ts'

let loop: Loop

/** An instance that nobody has ever heard of lives no more. */
const GONE = { instance: 'gone' as Run['instance'] }
const NOON = '2026-11-20T12:00:00Z'
/** Half a minute after the slot of the first one. */
const SLOT = '2026-11-21T02:00:00Z'
const LATER = '2026-11-21T02:00:30Z'

const config = {
  targets: { here: { type: 'local', path: 'target' } },
  jobs: {
    docs: {
      schedule: '0 2 * * *',
      first_run: 'now',
      source: { type: 'command', name: 'docs', backup: ['date', '+%N'] },
      retry: { attempts: 3, within: '10m' },
    },
  },
}

beforeEach(async () => {
  loop = await makeLoop(config, { now: NOON })
  // The look at whole targets at its start is over: the next one is an hour away.
  await loop.quiet()
})

afterEach(() => loop[Symbol.asyncDispose]())

async function left(run: Run): Promise<Run> {
  await loop.world().store.openRun(run)
  return run
}

function runOfSlot(): Run {
  const at = Date.parse(SLOT) as Run['startedAt']
  return { ...runOf('left', 'docs', 0, GONE), slot: at, startedAt: at }
}

it.each([
  ['whose instance died over its archive', () => GONE],
  ['of its own whose end the state did not take', () => ({ instance: loop.world().instance })],
])('settles an attempt %s, and tries its slot again', async (_, whose) => {
  const run = await left({ ...runOfSlot(), ...whose() })
  const backup = backupOf(run, { source: 'docs' })
  const copy: Copy = copyOf(backup, 'here', { status: 'writing', bytes: null, sha256: null })
  const { store } = loop.world()
  await store.openBackup(backup)
  await store.saveCopy(copy)
  loop.setTime(LATER)
  await loop.quiet()
  const abandoned = await loop.history()
  expect(abandoned.backups.find(({ id }) => id === backup.id)?.status).toBe('failed')
  expect(abandoned.runs.find(({ id }) => id === run.id)?.status).toBe('failed')
  expect(loop.named('backup.abandoned')).toMatchObject([{ backup: backup.id }])
  loop.setTime('2026-11-21T02:02:00Z')
  await loop.quiet()
  const { backups } = await loop.history()
  const ofSlot = backups.filter(({ slot }) => slot === run.slot)
  expect(ofSlot.map(({ status }) => status).sort()).toEqual(['failed', 'success'])
})

it.each([
  ['whose instance died after its last attempt', () => GONE],
  ['of its own whose end the state did not take', () => ({ instance: loop.world().instance })],
])('ends a run %s', async (_, whose) => {
  const run = await left({ ...runOfSlot(), ...whose() })
  const finishedAt = run.startedAt
  const { store } = loop.world()
  const backup = backupOf(run, { source: 'docs' })
  await store.openBackup(backup)
  await store.closeBackup(backup.id, {
    status: 'success',
    finishedAt,
    storedBytes: null,
    contentBytes: null,
    error: null,
    warnings: [],
  })
  loop.setTime(LATER)
  await loop.quiet()
  const { runs } = await loop.history()
  expect(runs.find(({ id }) => id === run.id)).toMatchObject({ status: 'success' })
})

it('asks no more than now and then about an attempt that its target tells nothing of', async () => {
  const run = await left(runOfSlot())
  const backup = backupOf(run, { source: 'docs' })
  const { store } = loop.world()
  await store.openBackup(backup)
  await store.saveCopy(copyOf(backup, 'here', { status: 'writing', bytes: null, sha256: null }))
  const [archive] = (await loop.history()).copies.filter(({ status }) => status === 'complete')
  await hide(loop.at('target', dirname(archive?.key ?? '')))
  loop.setTime(LATER)
  await loop.quiet()
  expect((await loop.history()).backups.find(({ id }) => id === backup.id)?.status).toBe('running')
})

describe('an attempt of a job that is declared no more', () => {
  const undeclared = { targets: config.targets, jobs: {} }
  /** How often the lease of the recovery was taken so far. */
  const recoveries = () => loop.world().store.fenceOf('recovery')

  async function leaveAttempt(writing: 'here' | null): Promise<Run> {
    const run = await left({ ...runOfSlot(), ...GONE })
    const backup = backupOf(run, { source: 'docs' })
    await loop.world().store.openBackup(backup)
    const unfinished = { status: 'writing', bytes: null, sha256: null } as const
    if (writing) await loop.world().store.saveCopy(copyOf(backup, writing, unfinished))
    return run
  }

  it.each([
    ['before its first byte', null],
    ['over its archive', 'here'],
  ] as const)('is abandoned once, and costs the passes nothing then: %s', async (_, writing) => {
    await loop.configure(undeclared)
    await loop.quiet()
    const run = await leaveAttempt(writing)
    loop.setTime(LATER)
    await loop.quiet()
    // What the look at it asked for: no test waits for the next hour.
    await loop.quiet()
    expect(loop.named('backup.abandoned')).toMatchObject([{ job: 'docs' }])
    const { runs, backups } = await loop.history()
    expect(runs.find(({ id }) => id === run.id)?.status).toBe('failed')
    expect(backups.find((one) => one.run === run.id)?.status).toBe('failed')
    const before = await recoveries()
    await loop.quiet()
    await loop.quiet()
    expect(await recoveries()).toBe(before)
    expect(loop.named('backup.abandoned')).toHaveLength(1)
    expect(loop.named('pass.failed')).toEqual([])
  })

  it('is waited for without a recovery at each pass, while its target tells nothing', async () => {
    await loop.configure(undeclared)
    await loop.quiet()
    const run = await leaveAttempt('here')
    await hide(loop.at('target'))
    loop.setTime(LATER)
    const before = await recoveries()
    for (let pass = 0; pass < 3; pass++) await loop.quiet()
    expect(await recoveries()).toBe(before)
    expect((await loop.history()).backups.find((one) => one.run === run.id)?.status).toBe('running')
    const looked = await loop.world().store.fenceOf('inventory')
    await loop.quiet()
    expect(await loop.world().store.fenceOf('inventory')).toBe(looked)
  })
})

/** A file where the folder was: it cannot be listed. */
async function hide(path: string): Promise<void> {
  await rename(path, `${path}-away`)
  await writeFile(path, '')
}
