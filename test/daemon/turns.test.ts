import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterEach, describe, expect, it } from 'vitest'
import type { Plugins } from '../../src/observe/world.ts'
import { local } from '../../src/targets/local.ts'
import type { TargetKind } from '../../src/targets/target.ts'
import { poll } from '../support/daemon.ts'
import { type Loop, makeLoop } from './loop.ts'

let loop: Loop

afterEach(() => loop[Symbol.asyncDispose]())

const NOON = '2026-11-20T12:00:00Z'

/** Each archive is owed a verify an hour after its last one, long before the next slot. */
const config = {
  targets: { here: { type: 'local', path: 'target' } },
  jobs: {
    docs: {
      schedule: '0 2 * * *',
      source: { type: 'command', name: 'docs', backup: ['date', '+%N'] },
      objectives: { verified_within: '1h' },
    },
  },
}

/** Local targets whose archives, once `hang` is set, give their first bytes and then nothing more. */
function hanging(): { readonly targets: Plugins['targets']; hang: boolean; read: number } {
  const state = { targets: new Map(), hang: false, read: 0 }
  const kind: TargetKind = {
    ...local,
    configure: (section, surroundings) => {
      const target = local.configure(section, surroundings)
      return {
        ...target,
        async get(key, start, signal) {
          const isArchive = !key.endsWith('.json')
          if (!state.hang || !isArchive) return await target.get(key, start, signal)
          state.read++
          return stuck(signal)
        },
      }
    },
  }
  state.targets.set('local', async () => kind)
  return state
}

function stuck(signal: AbortSignal): Readable {
  const stream = new Readable({ read: () => {} })
  stream.on('error', () => {})
  const stop = () => stream.destroy(signal.reason)
  signal.addEventListener('abort', stop, { once: true })
  return stream
}

describe('a verify', () => {
  it('gives way to a due backup, which is no verdict on the archive', async () => {
    const target = hanging()
    loop = await makeLoop(config, { now: NOON, targets: target.targets })
    loop.setTime('2026-11-21T02:00:00Z')
    await loop.quiet()
    target.hang = true
    loop.setTime('2026-11-21T04:00:00Z')
    await loop.pass()
    await poll(() => target.read === 1, 'the verify')

    loop.setTime('2026-11-22T02:00:00Z')
    await loop.pass()
    await poll(() => loop.underWay() === 0, 'the verify to give way')
    target.hang = false
    await loop.quiet()
    expect(loop.named('backup.done')).toHaveLength(2)
    expect(loop.named('verify.failed')).toEqual([])
    expect(loop.named('pass.failed')).toEqual([])
    const { copies } = await loop.history()
    expect(copies.map(({ verify }) => verify)).toEqual(['ok', 'ok'])
  })

  it('gives way also when it follows a backup in the same turn', async () => {
    const target = hanging()
    loop = await makeLoop(config, { now: NOON, targets: target.targets })
    target.hang = true
    loop.setTime('2026-11-21T02:00:00Z')
    await loop.pass()
    await poll(() => target.read === 1, 'the verify')
    loop.setTime('2026-11-22T02:00:00Z')
    await loop.pass()
    await poll(() => loop.underWay() === 0, 'the verify to give way')
    target.hang = false
    await loop.quiet()
    expect(loop.named('backup.done')).toHaveLength(2)
    expect(loop.named('backup.skipped')).toEqual([])
  })

  it('gives way to a drain', async () => {
    const target = hanging()
    loop = await makeLoop(config, { now: NOON, targets: target.targets })
    loop.setTime('2026-11-21T02:00:00Z')
    await loop.quiet()
    target.hang = true
    loop.setTime('2026-11-21T04:00:00Z')
    await loop.pass()
    await poll(() => target.read === 1, 'the verify')
    await loop.dispatch().settle()
    expect(loop.underWay()).toBe(0)
    expect(loop.named('verify.failed')).toEqual([])
  })

  it('gives its place to a due backup of another job when no other is free', async () => {
    const target = hanging()
    const source = { type: 'command', name: 'x', backup: ['date', '+%N'] }
    const other = { schedule: '0 5 * * *', source }
    const jobs = { ...config.jobs, other }
    const limits = { concurrency: 1 }
    loop = await makeLoop({ ...config, jobs, limits }, { now: NOON, targets: target.targets })
    loop.setTime('2026-11-21T02:00:00Z')
    await loop.quiet()
    target.hang = true
    loop.setTime('2026-11-21T04:00:00Z')
    await loop.pass()
    await poll(() => target.read === 1, 'the verify')
    loop.setTime('2026-11-21T05:00:00Z')
    await loop.pass()
    await poll(() => loop.underWay() === 0, 'the verify to give way')
    target.hang = false
    await loop.pass()
    await poll(() => loop.named('backup.done').some(({ job }) => job === 'other'), 'the backup')
    await poll(() => loop.underWay() === 0, 'its end')
  })

  it('that fails keeps its job from other work for a while, and no due backup from its slot', async () => {
    loop = await makeLoop(config, { now: NOON })
    loop.setTime('2026-11-21T02:00:00Z')
    await loop.quiet()
    await damage()
    loop.setTime('2026-11-21T04:00:00Z')
    await loop.quiet()
    await loop.quiet()
    expect(loop.named('verify.failed')).toHaveLength(1)
    loop.setTime('2026-11-22T02:00:00Z')
    await loop.quiet()
    expect(loop.named('backup.done')).toHaveLength(2)
  })
})

/** Flips a byte of every archive on the target. */
async function damage(): Promise<void> {
  const root = loop.at('target')
  for (const name of await readdir(root, { recursive: true })) {
    if (!name.endsWith('.zst')) continue
    const bytes = await readFile(join(root, name))
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1
    await writeFile(join(root, name), bytes)
  }
}

describe('copies that a job made under another name', () => {
  it('are kept and pruned by the daemon as by the plan, when the app holds the group together', async () => {
    const named = (name: string, keep_last: number) => ({
      targets: config.targets,
      jobs: {
        [name]: {
          ...config.jobs.docs,
          app: 'shop',
          retention: { keep_last },
          max_delete: '100%',
        },
      },
    })
    loop = await makeLoop(named('before', 9), { now: NOON })
    for (const day of ['21', '22', '23']) {
      loop.setTime(`2026-11-${day}T02:00:00Z`)
      await loop.quiet()
    }
    await loop.configure(named('after', 2))
    loop.setTime('2026-11-24T02:00:00Z')
    await loop.quiet()

    expect(loop.named('prune.done')).toHaveLength(1)
    const { copies } = await loop.history()
    const kept = copies.filter(({ status }) => status === 'complete')
    expect(kept.map(({ takenAt }) => new Date(takenAt).toISOString().slice(0, 10)).sort()).toEqual([
      '2026-11-23',
      '2026-11-24',
    ])
  })
})
