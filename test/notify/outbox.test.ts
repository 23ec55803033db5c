import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Instant } from '../../src/core/model.ts'
import { Secret } from '../../src/lib/secret.ts'
import { announceRun, enqueue } from '../../src/notify/announce.ts'
import type { Channel } from '../../src/notify/channel.ts'
import { CHANNEL_KINDS, openChannels } from '../../src/notify/index.ts'
import type { Notification, Outgoing } from '../../src/notify/notification.ts'
import { deliver } from '../../src/notify/outbox.ts'
import { openSqliteStore } from '../../src/state/sqlite.ts'
import type { Store } from '../../src/state/store.ts'
import { minute } from '../contract/history-fixtures.ts'
import { failed, newsOf, started, succeeded } from './news.ts'
import { openReceiver, type Receiver } from './receiver.ts'

const NEVER = new AbortController().signal
const FOREVER = Number.MAX_SAFE_INTEGER as Instant
const ops = [{ channel: 'ops', on: ['failure', 'recovery'], heartbeat: false }] as const

let folder: string
let store: Store
let receiver: Receiver
let channels: ReadonlyMap<string, Channel>

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-outbox-'))
  store = await openSqliteStore({ path: join(folder, 'state.db') })
  receiver = await openReceiver()
  const channel = (id: string, kind: string, path: string) =>
    ({ id, kind, on: [], options: { url: new Secret(receiver.origin + path) } }) as const
  channels = await openChannels(
    [
      channel('ops', 'webhook', '/ops'),
      channel('chat', 'webhook', '/chat'),
      channel('watch', 'ping', '/watch'),
    ],
    CHANNEL_KINDS,
  )
})

afterEach(async () => {
  await receiver[Symbol.asyncDispose]()
  await store.close()
  rmSync(folder, { recursive: true, force: true })
})

describe('the outbox', () => {
  it('tells of a failure once, and of the recovery after it', async () => {
    await announceRun(store, newsOf('failed'), ops, minute(0))
    await announceRun(store, newsOf('failed'), ops, minute(1))
    expect(await send(1)).toMatchObject([
      { kind: 'sent', channel: 'ops', type: 'backup.failed', attempts: 1 },
    ])
    await announceRun(store, newsOf('success'), ops, minute(2))
    expect(await send(2)).toMatchObject([{ kind: 'sent', type: 'backup.recovered' }])
    expect(await send(3)).toEqual([])
    await announceRun(store, newsOf('success'), ops, minute(4))
    expect(await store.outbox(FOREVER)).toEqual([])
    expect(receiver.received.map(({ body }) => JSON.parse(body).type)).toEqual([
      'backup.failed',
      'backup.recovered',
    ])
  })

  it('is emptied by several processes at once, and each message told by one of them', async () => {
    const other = await openSqliteStore({ path: join(folder, 'state.db') })
    await put('ops', failed)
    const rounds = [store, other].map((one) => deliver(one, channels, () => minute(0), NEVER))
    const told = (await Promise.all(rounds)).flat().filter(({ kind }) => kind === 'sent')
    await other.close()
    expect(told).toHaveLength(1)
    expect(receiver.received).toHaveLength(1)
    expect(await store.outbox(FOREVER)).toEqual([])
  })

  it('tries again after a 500, later, and succeeds', async () => {
    receiver.answers.push(500)
    await put('ops', failed)
    const [first] = await send(0)
    expect(first).toMatchObject({
      kind: 'failed',
      attempts: 1,
      error: 'the other side answered 500',
    })
    expect(await send(0.9)).toEqual([])
    expect(await send(2)).toMatchObject([{ kind: 'sent', attempts: 2 }])
    expect(receiver.received.map(({ body }) => JSON.parse(body))).toEqual([failed, failed])
    expect(await store.outbox(FOREVER)).toEqual([])
  })

  it('does not wait for a time that only a clock before its day could have set', async () => {
    await put('ops', failed, 100_000)
    expect(await send(10)).toMatchObject([{ kind: 'sent' }])
  })

  it('outlives the process', async () => {
    receiver.answers.push(503)
    await announceRun(store, newsOf('failed'), ops, minute(0))
    await send(0)
    await store.close()
    store = await openSqliteStore({ path: join(folder, 'state.db') })
    expect(await send(5)).toMatchObject([{ kind: 'sent', attempts: 2 }])
    await announceRun(store, newsOf('success'), ops, minute(6))
    expect(await send(6)).toMatchObject([{ type: 'backup.recovered' }])
  })

  it('waits longer each time, an hour at most, and gives up after a day', async () => {
    await put('ops', failed)
    const waits: number[] = []
    let at = 0
    for (;;) {
      receiver.answers.push(500)
      const [delivery] = await send(at)
      if (delivery?.kind !== 'failed') {
        expect(delivery).toMatchObject({ kind: 'given-up', error: 'the other side answered 500' })
        break
      }
      const next = (delivery.nextAt - minute(0)) / 60_000
      waits.push(next - at)
      at = next
    }
    expect(at).toBeGreaterThan(22 * 60)
    expect(at).toBeLessThan(24 * 60)
    for (const [index, wait] of waits.entries()) {
      const whole = Math.min(2 ** index, 60)
      expect(wait).toBeGreaterThanOrEqual(Math.max(1, whole / 2))
      expect(wait).toBeLessThanOrEqual(Math.max(1, whole))
    }
    expect(new Set(waits.slice(6)).size).toBeGreaterThan(5)
    expect(await store.outbox(FOREVER)).toEqual([])
  })

  it('keeps the order of a channel, and lets no channel wait for another', async () => {
    receiver.answers.push((response) => {
      // The other channel was served while this one was still waiting for its answer.
      const served = () => receiver.received.some(({ path }) => path === '/chat')
      const look = () => (served() ? response.writeHead(500).end() : setTimeout(look, 5))
      look()
    })
    await put('ops', failed, 0)
    await put('ops', succeeded, 1)
    await put('chat', failed, 2)
    const deliveries = await send(3)
    expect(deliveries.map(({ channel, kind }) => `${channel} ${kind}`)).toEqual([
      'ops failed',
      'chat sent',
    ])
    expect((await send(3)).map(({ type, kind }) => `${type} ${kind}`)).toEqual([
      'backup.success sent',
    ])
  })

  it('drops what a newer word to the same switch has overtaken', async () => {
    receiver.answers.push(500)
    await put('watch', failed, 0)
    expect(await send(0)).toMatchObject([{ kind: 'failed' }])
    await put('watch', { ...started, runId: 'run-2' }, 1)
    await put('watch', { ...succeeded, runId: 'run-2' }, 1)
    await put('watch', { ...failed, jobId: 'blog' }, 0)
    expect((await send(60)).map(({ type }) => type)).toEqual(['backup.failed', 'backup.success'])
    expect(receiver.received).toHaveLength(3)
    expect(await store.outbox(FOREVER)).toEqual([])
  })

  it('does not tell of a start that is over', async () => {
    receiver.answers.push(500)
    await put('watch', started)
    expect(await send(0)).toMatchObject([{ kind: 'given-up', type: 'backup.started' }])
  })

  it('gives up what no declared channel can tell', async () => {
    await put('gone', failed)
    expect(await send(0)).toMatchObject([
      { kind: 'given-up', channel: 'gone', error: 'no such channel is declared' },
    ])
    expect(await store.outbox(FOREVER)).toEqual([])
  })

  it('counts no attempt that was broken off, and throws the reason', async () => {
    const stop = new AbortController()
    receiver.answers.push(() => stop.abort(new Error('shutdown')))
    await put('ops', failed)
    await expect(deliver(store, channels, () => minute(0), stop.signal)).rejects.toThrow('shutdown')
    expect(await store.outbox(minute(0))).toMatchObject([{ attempts: 0 }])
    expect(await send(0)).toMatchObject([{ kind: 'sent', attempts: 1 }])
  })
})

function send(at: number) {
  return deliver(store, channels, () => minute(at), NEVER)
}

async function put(channel: string, notification: Notification, at = 0): Promise<void> {
  const id = `${notification.type} ${channel} ${notification.jobId} ${at}`
  const message: Outgoing = { id, channel, notification }
  await enqueue(store, [message], minute(at))
}
