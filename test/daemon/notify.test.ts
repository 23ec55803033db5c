import { createHmac } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { deliverNotifications } from '../../src/act/announce.ts'
import { openReceiver, type Received, type Receiver } from '../notify/receiver.ts'
import { freePorts } from '../services/processes.ts'
import { poll, startDaemon } from '../support/daemon.ts'
import { makeWorkspace } from '../support/holdfast.ts'
import { type Loop, makeLoop } from './loop.ts'

const NEVER = new AbortController().signal

let receiver: Receiver

beforeEach(async () => {
  receiver = await openReceiver()
})

afterEach(() => receiver[Symbol.asyncDispose]())

describe('those whom a job tells', () => {
  let loop: Loop

  const config = (more: object) => {
    const url = (path: string) => `${receiver.origin}/${path}`
    const notify = {
      ops: { type: 'webhook', url: url('ops'), secret: 'k3y', on: ['failure', 'recovery'] },
      all: { type: 'webhook', url: url('all'), on: ['failure', 'success'] },
      watch: { type: 'ping', url: url('ping/abc') },
    }
    const backup = ['sh', '-c', 'test -e good && date +%N']
    const docs = {
      schedule: '0 2 * * *',
      retry: { attempts: 1 },
      source: { type: 'command', name: 'docs', backup, cwd: '.' },
      notify: ['ops', 'all', 'watch'],
      ...more,
    }
    return { targets: { here: { type: 'local', path: 'target' } }, notify, jobs: { docs } }
  }

  beforeEach(async () => {
    loop = await makeLoop(config({}), { now: '2026-11-01T12:00:00Z' })
  })

  afterEach(() => loop[Symbol.asyncDispose]())

  /** Takes the slot of that day; what was then told, by where it went. */
  async function day(day: number): Promise<readonly Received[]> {
    const before = receiver.received.length
    loop.setTime(`2026-11-${String(day).padStart(2, '0')}T02:00:00Z`)
    await loop.quiet()
    await deliverNotifications(loop.world(), NEVER)
    return receiver.received.slice(before)
  }

  function words(received: readonly Received[]): readonly string[] {
    return received
      .map(({ path, body }) => {
        const [at = ''] = path.split('?')
        return at.startsWith('/ping') ? at : `${at} ${JSON.parse(body).type}`
      })
      .sort()
  }

  it('hear of failure, recovery and success as each asked, signed, and pings by run', async () => {
    const failed = await day(2)
    expect(words(failed)).toEqual(['/all backup.failed', '/ops backup.failed', '/ping/abc/fail'])
    const { body = '', headers } = failed.find(({ path }) => path === '/ops') ?? {}
    const hex = createHmac('sha256', 'k3y').update(body).digest('hex')
    expect(headers?.['x-signature-256']).toBe(`sha256=${hex}`)
    expect(JSON.parse(body)).toMatchObject({ jobId: 'docs', status: 'failed', failedCount: 1 })

    await writeFile(loop.at('good'), '')
    expect(words(await day(3))).toEqual([
      '/all backup.success',
      '/ops backup.recovered',
      '/ping/abc',
    ])
    expect(words(await day(4))).toEqual(['/all backup.success', '/ping/abc'])
    const rids = receiver.received.flatMap(
      ({ path }) => /rid=([0-9a-f-]{36})$/.exec(path)?.[1] ?? [],
    )
    expect(new Set(rids).size).toBe(3)
  })

  it('hear that a prune is blocked, once, also when the daemon starts anew', async () => {
    await writeFile(loop.at('good'), '')
    await loop.configure(config({}))
    for (const slot of [2, 3, 4, 5, 6]) await day(slot)
    await loop.configure(config({ retention: { keep_last: 1 } }))
    expect(words(await day(7))).toContain('/ops prune.blocked')
    await loop.restart()
    expect(words(await day(8))).toEqual(['/all backup.success', '/ping/abc'])
    expect(loop.named('prune.blocked').length).toBeGreaterThan(1)
  })
})

describe('a restore', () => {
  it('is told when it replaced data and when it failed, at boot too, and not when it went elsewhere', async () => {
    const on = { type: 'webhook', url: `${receiver.origin}/all`, on: ['failure', 'success'] }
    const docs = { source: { type: 'directory', path: 'live' }, notify: ['all'] }
    const config = {
      data_dir: 'state',
      targets: { here: { type: 'local', path: 'target' } },
      notify: { all: on },
      jobs: { docs },
    }
    await using space = await makeWorkspace(JSON.stringify(config))
    await space.write({ 'live/letter': 'dear' })
    await space.ok(['backup', 'create'])
    await space.ok(['restore', 'docs', '--to', 'elsewhere'])
    await space.ok(['restore', 'docs', '--yes'])
    const [key = ''] = await space.archives('target')
    await writeFile(space.at('target', key), 'ruined')
    expect((await space.run(['restore', 'docs', '--yes'])).code).toBe(14)
    const boot = { env: { HQL_BACKUP_RESTORE: 'docs' } }
    expect((await space.run(['daemon'], boot)).code).toBe(1)

    const told = receiver.received.map(({ body }) => JSON.parse(body))
    expect(told.map(({ type }) => type)).toEqual([
      'backup.success',
      'restore.done',
      'restore.failed',
      'restore.failed',
    ])
    expect(told[1]).toMatchObject({
      jobId: 'docs',
      source: 'live',
      target: 'here',
      key,
      error: null,
    })
    expect(told[3].error).toContain('the archive')
  })
})

describe('a message for a server that is down', () => {
  it('waits in the state through a restart of the daemon, and then arrives', async () => {
    const [port = 0] = await freePorts(1)
    const ops = { type: 'webhook', url: `http://127.0.0.1:${port}/ops` }
    const docs = {
      first_run: 'now',
      retry: { attempts: 1 },
      source: { type: 'command', name: 'docs', backup: ['false'] },
      notify: ['ops'],
    }
    const config = {
      data_dir: 'state',
      targets: { here: { type: 'local', path: 'target' } },
      notify: { ops },
      jobs: { docs },
    }
    await using space = await makeWorkspace(JSON.stringify(config))
    await using first = startDaemon(space)
    const lost = await first.until('notify.failed')
    expect(lost.message).toContain('could not tell ops of backup.failed')
    expect(lost.message).not.toContain(String(port))
    expect(await first.stop()).toEqual({ code: 0, signal: null })

    // Its next try is a minute away: the test lets that minute pass.
    const state = new DatabaseSync(space.at('state/state.db'))
    expect(state.prepare('update outbox set next_at = 0').run().changes).toBe(1)
    state.close()
    await using up = await openReceiver(port)
    await using second = startDaemon(space)
    await poll(() => up.received.length > 0, 'the message')
    expect(JSON.parse(up.received[0]?.body ?? '')).toMatchObject({ type: 'backup.failed' })
    await second.stop()
    expect(up.received).toHaveLength(1)
  })
})
