import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Options } from '../../src/core/model.ts'
import { ConfigError, NotAvailable } from '../../src/lib/errors.ts'
import { Secret } from '../../src/lib/secret.ts'
import { type Channel, NotifyFailed } from '../../src/notify/channel.ts'
import { CHANNEL_KINDS, openChannels, subscribersOf } from '../../src/notify/index.ts'
import { openPing, runUuid } from '../../src/notify/ping.ts'
import { openWebhook } from '../../src/notify/webhook.ts'
import { failed, started, succeeded } from './news.ts'
import { openReceiver, type Receiver } from './receiver.ts'

const NEVER = new AbortController().signal
const PATH = '/hooks/t0psecret'

let receiver: Receiver

beforeEach(async () => {
  receiver = await openReceiver()
})

afterEach(() => receiver[Symbol.asyncDispose]())

describe('a webhook', () => {
  it('posts the notification as JSON, signed over the very bytes that arrive', async () => {
    const channel = await open('webhook', { secret: new Secret('k3y') })
    await channel.send(failed, NEVER)
    const [one] = receiver.received
    expect(one).toMatchObject({ method: 'POST', path: PATH })
    expect(one?.headers['content-type']).toBe('application/json')
    expect(JSON.parse(one?.body ?? '')).toEqual(failed)
    const hex = createHmac('sha256', 'k3y')
      .update(one?.body ?? '')
      .digest('hex')
    expect(one?.headers['x-signature-256']).toBe(`sha256=${hex}`)
  })

  it('is not signed without a secret', async () => {
    await (await open('webhook')).send(failed, NEVER)
    expect(receiver.received[0]?.headers).not.toHaveProperty('x-signature-256')
  })

  it('sends user and password of its address as such', async () => {
    const url = new Secret(`${receiver.origin.replace('//', '//me:p%40ss@')}${PATH}`)
    await (await open('webhook', { url })).send(failed, NEVER)
    expect(receiver.received[0]?.headers.authorization).toBe(`Basic ${btoa('me:p@ss')}`)
  })

  it.each([199 + 105, 400, 404, 429, 500, 503])(
    'takes an answer of %i for a failure',
    async (status) => {
      receiver.answers.push(status)
      const error = await failureOf((await open('webhook')).send(failed, NEVER))
      expect(error.message).toContain(`answered ${status}`)
    },
  )

  it('takes any 2xx for a success, however long its body', async () => {
    receiver.answers.push(204, (response) => {
      response.writeHead(202)
      const flood = () => {
        while (!response.destroyed && response.write('x'.repeat(65536)));
      }
      response.on('drain', flood)
      flood()
    })
    const channel = await open('webhook')
    await channel.send(failed, NEVER)
    await channel.send(failed, NEVER)
    expect(receiver.received).toHaveLength(2)
  })

  it('follows no redirect', async () => {
    await using elsewhere = await openReceiver()
    receiver.answers.push((response) => {
      response.writeHead(307, { location: `${elsewhere.origin}/steal` }).end()
    })
    const error = await failureOf((await open('webhook')).send(failed, NEVER))
    expect(error.message).toContain('redirects are not followed')
    expect(elsewhere.received).toEqual([])
  })

  it('gives up on a server that never answers, within its limit', async () => {
    receiver.answers.push('hang')
    const address = new URL(receiver.origin + PATH)
    const error = await failureOf(
      openWebhook({ address, secret: null, limit: 80 }).send(failed, NEVER),
    )
    expect(error.message).toBe('no answer within 80ms')
  })

  it('stops when it is told to, with the reason it was given', async () => {
    receiver.answers.push('hang')
    const stop = new AbortController()
    const sending = (await open('webhook')).send(failed, stop.signal)
    stop.abort(new Error('shutdown'))
    await expect(sending).rejects.toThrow('shutdown')
  })
})

describe('a ping', () => {
  it('calls start, success and fail of one run under one id', async () => {
    const channel = await open('ping')
    for (const news of [started, succeeded, failed]) await channel.send(news, NEVER)
    const rid = runUuid('run-1')
    expect(receiver.received.map(({ method, path }) => `${method} ${path}`)).toEqual([
      `POST ${PATH}/start?rid=${rid}`,
      `POST ${PATH}?rid=${rid}`,
      `POST ${PATH}/fail?rid=${rid}`,
    ])
    expect(receiver.received[2]?.body).toBe(
      'Backup failed: The shop\n1 of 2 backup(s) failed for: data\ndata: disk on fire',
    )
  })

  it('keeps what its address carries', async () => {
    const url = new Secret(`${receiver.origin}${PATH}/?create=1`)
    await (await open('ping', { url })).send(failed, NEVER)
    expect(receiver.received[0]?.path).toBe(`${PATH}/fail?create=1&rid=${runUuid('run-1')}`)
  })

  it('fails and ends in time as a webhook does', async () => {
    receiver.answers.push(500, 'hang')
    const address = new URL(receiver.origin)
    const patient = openPing({ address, limit: 10_000 })
    expect((await failureOf(patient.send(failed, NEVER))).message).toContain('answered 500')
    const channel = openPing({ address, limit: 80 })
    expect((await failureOf(channel.send(failed, NEVER))).message).toContain('no answer')
  })
})

describe('the id of a run', () => {
  it('is itself when it is a UUID, else one that never changes', () => {
    const uuid = '0198F6A2-7B1C-7D00-8000-0123456789AB'
    expect(runUuid(uuid)).toBe(uuid.toLowerCase())
    expect(runUuid('1k3f')).toBe(runUuid('1k3f'))
    expect(runUuid('1k3f')).not.toBe(runUuid('1k3g'))
    for (let n = 0; n < 50; n++) {
      expect(runUuid(`run ${n}`)).toMatch(
        /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
      )
    }
  })
})

describe('channels', () => {
  it('keep their address and their secret out of every error', async () => {
    const closed = createServer().listen(0, '127.0.0.1')
    await once(closed, 'listening')
    const { port } = closed.address() as AddressInfo
    closed.close()
    await once(closed, 'close')
    const addresses = [
      `http://127.0.0.1:${port}${PATH}`,
      `http://t0psecret:t0psecret@127.0.0.1:${port}${PATH}`,
      `http://t0psecret.invalid${PATH}`,
      'ftp://host/t0psecret',
      'http://[t0psecret',
      't0psecret',
      `${receiver.origin}${PATH}`,
    ]
    for (const kind of ['webhook', 'ping']) {
      for (const address of addresses) {
        receiver.answers.push(500)
        const options = { url: new Secret(address), secret: new Secret('t0psecret') }
        const error = await open(kind, options)
          .then((channel) => channel.send(failed, NEVER))
          .catch((thrown: unknown) => thrown)
        expect(error, address).toBeInstanceOf(Error)
        const printed = inspect(error, { depth: 9, showHidden: true }) + JSON.stringify(error)
        expect(printed).not.toContain('t0psecret')
      }
    }
  })

  it('refuse an address that is missing or no address, naming the key', async () => {
    const nothing = openChannels([declared('webhook', {})], CHANNEL_KINDS)
    await expect(nothing).rejects.toThrow('notify.ops.url: is missing')
    const nonsense = open('ping', { url: new Secret('nonsense') })
    await expect(nonsense).rejects.toThrow(ConfigError)
    await expect(nonsense).rejects.toThrow('notify.ops.url: must be an address')
  })

  it('of a kind to come are refused by name', async () => {
    for (const kind of ['email', 'toString']) {
      await expect(openChannels([declared(kind, {})], CHANNEL_KINDS)).rejects.toThrow(NotAvailable)
    }
  })

  it('are told to those who subscribe', async () => {
    const url = new Secret(receiver.origin)
    const channels = await openChannels([declared('ping', { url })], CHANNEL_KINDS)
    const subscriptions = [
      { channel: 'ops', on: ['failure'] },
      { channel: 'gone', on: ['failure'] },
    ] as const
    expect(subscribersOf(subscriptions, channels)).toEqual([
      { channel: 'ops', on: ['failure'], heartbeat: true },
    ])
  })
})

function declared(kind: string, options: Options) {
  return { id: 'ops', kind, options, on: ['failure'] } as const
}

async function open(kind: string, more: Options = {}): Promise<Channel> {
  const options = { url: new Secret(receiver.origin + PATH), ...more }
  const channel = (await openChannels([declared(kind, options)], CHANNEL_KINDS)).get('ops')
  if (!channel) throw new Error('not opened')
  return channel
}

async function failureOf(sending: Promise<void>): Promise<NotifyFailed> {
  const error = await sending.catch((thrown: unknown) => thrown)
  if (!(error instanceof NotifyFailed)) throw new Error(`not refused: ${String(error)}`)
  return error
}
