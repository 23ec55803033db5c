import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { bootRestore, requestedRestore } from '../../src/daemon/boot.ts'
import { createReminder } from '../../src/daemon/side-work.ts'
import { RestoreFailed } from '../../src/lib/errors.ts'
import { poll } from '../support/daemon.ts'
import { type Loop, makeLoop } from './loop.ts'

describe('the variables that ask for a restore', () => {
  it('are two names of one thing; empty is unset, and equal is no contradiction', () => {
    expect(requestedRestore({})).toBe(null)
    expect(requestedRestore({ HQL_BACKUP_RESTORE: '', HOLDFAST_RESTORE: '' })).toBe(null)
    expect(requestedRestore({ HQL_BACKUP_RESTORE: '', HOLDFAST_RESTORE: 'a' })).toEqual({
      variable: 'HOLDFAST_RESTORE',
      value: 'a',
    })
    expect(requestedRestore({ HQL_BACKUP_RESTORE: 'a', HOLDFAST_RESTORE: 'a' })?.value).toBe('a')
    const both = { HQL_BACKUP_RESTORE: 'a', HOLDFAST_RESTORE: 'b' }
    expect(() => requestedRestore(both)).toThrow(RestoreFailed)
  })
})

describe('with a daemon’s world', () => {
  let loop: Loop

  beforeEach(async () => {
    const source = {
      type: 'command',
      name: 'docs',
      backup: ['date'],
      restore: ['sh', '-c', 'cat > taken'],
      cwd: '.',
    }
    const config = {
      targets: { here: { type: 'local', path: 'target' } },
      jobs: { docs: { first_run: 'now', source } },
    }
    loop = await makeLoop(config, { now: '2026-11-20T12:00:00Z' })
    await loop.quiet()
  })

  afterEach(async () => {
    vi.useRealTimers()
    await loop[Symbol.asyncDispose]()
  })

  const request = { variable: 'HQL_BACKUP_RESTORE', value: 'docs/docs' }

  it('the warning to unset the variable is repeated every hour, and not without a request', () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    const remind = createReminder(request, () => loop.world())
    const silent = createReminder(null, () => loop.world())
    const told: number[] = []
    for (let minute = 0; minute <= 180; minute += 10) {
      const before = loop.named('restore.unset_env').length
      remind()
      silent()
      if (loop.named('restore.unset_env').length > before) told.push(minute)
      vi.advanceTimersByTime(10 * 60_000)
    }
    expect(told).toEqual([60, 120, 180])
    expect(loop.named('restore.unset_env')[0]).toMatchObject({
      level: 'warn',
      message: expect.stringContaining('HQL_BACKUP_RESTORE MUST be removed'),
    })
  })

  it('a restore at boot waits for whoever holds the job, and says so once', async () => {
    const world = loop.world()
    const lease = await world.leases.acquire('job:docs')
    if (lease.kind === 'busy') throw new Error(lease.holder)
    const restoring = bootRestore(request, world, new AbortController().signal)
    await poll(() => loop.named('restore.waiting').length > 0, 'the word that it waits')
    expect(loop.named('restore.download')).toEqual([])
    await lease.release()
    await restoring
    expect(loop.named('restore.waiting')).toHaveLength(1)
    expect(loop.named('restore.done')).toHaveLength(1)
  })
})
