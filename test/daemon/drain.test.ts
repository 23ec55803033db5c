import { readdir } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Daemon, startDaemon } from '../support/daemon.ts'
import { makeWorkspace, type Workspace } from '../support/holdfast.ts'
import { type Gate, openGate } from './gate.ts'

let space: Workspace
let gate: Gate

beforeAll(async () => {
  space = await makeWorkspace()
  gate = await openGate()
})

afterAll(async () => {
  await gate[Symbol.asyncDispose]()
  await space[Symbol.asyncDispose]()
})

/** A daemon at work on a backup that begins, and then waits at the gate. */
async function working(name: string, more: object = {}): Promise<Daemon> {
  const backup = ['sh', '-c', `head -c 300000 /dev/urandom; cat ${gate.path}`]
  const config = {
    data_dir: `state-${name}`,
    targets: { here: { type: 'local', path: `target-${name}` } },
    jobs: {
      slow: { first_run: 'now', source: { type: 'command', name: 'slow', backup } },
      idle: { schedule: '0 0 1 1 *', source: { type: 'command', name: 'idle', backup } },
    },
    ...more,
  }
  await space.write({ [`${name}.yml`]: JSON.stringify(config) })
  const daemon = startDaemon(space, { config: `${name}.yml` })
  await daemon.until('backup.started')
  return daemon
}

/** Names of all files on a target. */
async function filesOn(name: string): Promise<readonly string[]> {
  const folder = space.at(`target-${name}`)
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name)
}

async function attempts(name: string): Promise<readonly { status: string; error: string }[]> {
  const listed = await space.ok(['backup', 'list', '--all', '--json', '-c', `${name}.yml`])
  return listed.document.backups
}

describe('SIGTERM', () => {
  it('lets a running backup end, and then ends the daemon with 0', async () => {
    await using daemon = await working('patient')
    daemon.signal('SIGTERM')
    await daemon.until('daemon.draining')
    await gate.pass('the end')
    expect(await daemon.ended).toEqual({ code: 0, signal: null })
    expect(lastOf(daemon)).toEqual(['daemon.draining', 'backup.done', 'daemon.stopped'])
    expect(daemon.lines.at(-1)).toMatchObject({ level: 'info', message: 'stopped' })
    expect(await filesOn('patient')).toHaveLength(2)
    expect(await attempts('patient')).toMatchObject([{ status: 'success' }])
  })

  it('aborts what is not done within drain_timeout: failed, nothing left, exit 143', async () => {
    await using daemon = await working('short', { drain_timeout: '300ms' })
    daemon.signal('SIGTERM')
    expect(await daemon.ended).toEqual({ code: 143, signal: null })
    expect(lastOf(daemon)).toEqual(['daemon.draining', 'backup.failed', 'daemon.stopped'])
    const failed = await daemon.until('backup.failed')
    expect(failed.error).toMatchObject({
      code: 'interrupted',
      message: 'the drain took longer than 300ms',
    })
    expect(daemon.lines.at(-1)).toMatchObject({ level: 'warn' })
    expect(await filesOn('short')).toEqual([])
    expect(await attempts('short')).toMatchObject([{ status: 'failed' }])
  })

  it('once more aborts at once', async () => {
    await using daemon = await working('urgent')
    daemon.signal('SIGINT')
    await daemon.until('daemon.draining')
    // A signal within a moment is taken for the echo of the first; only the clock tells its end.
    await new Promise((over) => setTimeout(over, 300))
    expect(daemon.events()).not.toContain('backup.failed')
    expect(await daemon.stop('SIGINT')).toEqual({ code: 130, signal: null })
    expect(await daemon.until('backup.failed')).toMatchObject({ error: { code: 'interrupted' } })
    expect(await filesOn('urgent')).toEqual([])
  })

  it('ends an idle daemon at once, and one that it meets at its start', async () => {
    await space.write({ 'idle.yml': JSON.stringify({ data_dir: 'state-idle', jobs: {} }) })
    await using idle = startDaemon(space, { config: 'idle.yml' })
    await idle.until('daemon.started')
    const told = performance.now()
    expect(await idle.stop()).toEqual({ code: 0, signal: null })
    expect(performance.now() - told).toBeLessThan(10_000)

    await using early = startDaemon(space, { config: 'idle.yml' })
    await early.until('config.loaded')
    expect(await early.stop()).toEqual({ code: 0, signal: null })
  })
})

/** The last three events of its life, the inventory's remarks left out. */
function lastOf(daemon: Daemon): readonly string[] {
  return daemon
    .events()
    .filter((event) => event !== 'plan.made')
    .slice(-3)
}
