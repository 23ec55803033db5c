import { hostname } from 'node:os'
import { describe, expect, it } from 'vitest'
import { openGate } from '../daemon/gate.ts'
import { poll, startDaemon } from '../support/daemon.ts'
import { makeWorkspace, type Workspace } from '../support/holdfast.ts'
import { addressOf, ask, samplesOf } from './ask.ts'

const ANY = { HOLDFAST_HTTP: '127.0.0.1:0' }
const TOKEN = 'open-the-door-please'
const WITH = { headers: { authorization: `Bearer ${TOKEN}` } }
const socketOf = (work: Workspace) => work.at('state', 'holdfast.sock')

async function makeGated(path: string, http: object = {}): Promise<Workspace> {
  const work = await makeWorkspace()
  const source = { type: 'command', name: 'slow', backup: ['sh', '-c', `echo begin; cat ${path}`] }
  const slow = { first_run: 'now', source }
  const targets = { here: { type: 'local', path: 'target' } }
  const config = { data_dir: 'state', http, targets, jobs: { slow } }
  await work.write({ 'holdfast.yml': JSON.stringify(config) })
  return work
}

const ORDERS = [
  '/api/v1/system/drain',
  '/api/v1/system/undrain',
  '/api/v1/pause',
  '/api/v1/resume',
  '/api/v1/jobs/slow/pause',
  '/api/v1/jobs/slow/resume',
]

describe('an order over TCP', () => {
  it('is refused without the token, from this machine too, and nothing of it is done', async () => {
    await using work = await makeGated('/dev/null', { token: TOKEN })
    await using daemon = startDaemon(work, { env: ANY })
    const address = await addressOf(daemon)
    await daemon.until('daemon.started')
    for (const path of ORDERS) {
      for (const authorization of ['', `Bearer ${TOKEN}x`, `Bearer ${TOKEN.slice(1)}`, TOKEN]) {
        const body = { reason: 'r', author: 'a' }
        const headers = authorization === '' ? {} : { authorization }
        const answered = await ask(address, path, { method: 'POST', headers, body })
        expect([path, answered.status]).toEqual([path, 401])
        expect(answered.headers['www-authenticate']).toBe('Bearer')
      }
    }
    const { text } = await ask(address, '/metrics')
    expect(samplesOf(text, 'job_paused')).toEqual({})
    expect(samplesOf(text, 'draining')).toEqual({ '': 0 })
    expect((await ask(address, '/api/v1/pause', { ...WITH, method: 'POST' })).status).toBe(400)
    const asked = { ...WITH, method: 'POST', body: { reason: 'x'.repeat(20_000) } }
    expect((await ask(address, '/api/v1/pause', asked)).status).toBe(413)
  })

  it('is refused with a hint where no token is configured, and taken by the socket', async () => {
    await using work = await makeGated('/dev/null')
    await using daemon = startDaemon(work, { env: ANY })
    const address = await addressOf(daemon)
    await daemon.until('daemon.started')
    const answered = await ask(address, '/api/v1/system/undrain', { ...WITH, method: 'POST' })
    expect(answered).toMatchObject({
      status: 403,
      document: { error: { code: 'token_unset', hint: expect.stringContaining('http.token') } },
    })
    const order = { method: 'POST' }
    expect((await ask(socketOf(work), '/api/v1/system/undrain', order)).status).toBe(204)
  })
})

describe('details', () => {
  it('are not for a name that only a trick leads here by, nor through a proxy', async () => {
    await using work = await makeGated('/dev/null')
    await using daemon = startDaemon(work, { env: ANY })
    const address = await addressOf(daemon)
    await daemon.until('daemon.started')
    const { port } = new URL(address)
    const statusOf = async (headers: Record<string, string>) =>
      (await ask(address, '/metrics', { headers })).status
    expect(await statusOf({})).toBe(200)
    expect(await statusOf({ host: `localhost:${port}` })).toBe(200)
    expect(await statusOf({ host: `[::1]:${port}` })).toBe(200)
    expect(await statusOf({ host: `rebound.example:${port}` })).toBe(403)
    expect(await statusOf({ host: '127.0.0.1.example' })).toBe(403)
    expect(await statusOf({ forwarded: 'for=203.0.113.9' })).toBe(403)
  })
})

describe('holdfast system drain', () => {
  it('ends once nothing runs; then no slot is taken, until undrained', async () => {
    await using gate = await openGate()
    await using work = await makeGated(gate.path)
    await using daemon = startDaemon(work)
    await daemon.until('backup.started')
    const drain = work.start(['system', 'drain', '--json'])
    await poll(async () => (await ask(socketOf(work), '/readyz')).status === 503, 'the drain')
    expect(drain.child.exitCode).toBe(null)
    await gate.pass('end')
    expect(await drain.ended).toMatchObject({
      code: 0,
      document: { drained: true, handedOver: false },
    })
    expect(daemon.events()).toContain('backup.done')

    const config = JSON.parse(await work.read('holdfast.yml'))
    const next = { first_run: 'now', source: { type: 'command', name: 'n', backup: ['echo'] } }
    const from = daemon.lines.length
    await work.write({
      'holdfast.yml': JSON.stringify({ ...config, jobs: { ...config.jobs, next } }),
    })
    await daemon.until('config.reloaded', { from })
    const ready = await ask(socketOf(work), '/readyz')
    expect(ready.document.because).toEqual(['draining'])
    expect(daemon.events(from)).not.toContain('backup.started')
    await work.ok(['system', 'undrain'], {})
    await daemon.until('backup.done', { from, fits: ({ job }) => job === 'next' })
    expect((await ask(socketOf(work), '/readyz')).status).toBe(200)
  })

  it('cuts short what runs longer than its timeout, and says so', async () => {
    await using gate = await openGate()
    await using work = await makeGated(gate.path)
    await using daemon = startDaemon(work)
    await daemon.until('backup.started')
    const ran = await work.run(['system', 'drain', '--timeout', '200ms', '--json'])
    expect(ran).toMatchObject({ code: 0, document: { drained: true, handedOver: true } })
    await daemon.until('backup.failed')
    expect(await daemon.stop()).toEqual({ code: 0, signal: null })
  })

  it('says how to reach a daemon where none is, and what it is told that is wrong', async () => {
    await using work = await makeGated('/dev/null')
    const ran = await work.run(['system', 'drain', '--json'])
    expect(ran).toMatchObject({
      code: 1,
      document: {
        error: { code: 'daemon_unreachable', hint: expect.stringContaining('HOLDFAST_URL') },
      },
    })
    const env = { HOLDFAST_URL: 'http://127.0.0.1:1' }
    expect((await work.run(['job', 'pause', 'slow', '--reason', 'r'], { env })).code).toBe(1)
    expect((await work.run(['system', 'drain', '--timeout', 'soon'])).code).toBe(1)
  })
})

describe('holdfast job pause', () => {
  it('is by the daemon, here or elsewhere, or else in the state itself', async () => {
    await using work = await makeGated('/dev/null', { token: TOKEN })
    const paused = async () => samplesOf((await ask(socketOf(work), '/metrics')).text, 'job_paused')
    const written = await work.ok(['job', 'pause', 'slow', '--reason', 'moving house', '--json'], {
      env: { USER: 'kim' },
    })
    expect(written.document).toEqual({
      paused: ['slow'],
      reason: 'moving house',
      author: `kim@${hostname()}`,
    })
    expect((await work.run(['job', 'pause', 'nope', '--reason', 'r'])).stderr).toContain(
      'no job nope',
    )
    expect((await work.run(['job', 'pause', 'slow'])).code).toBe(1)
    expect((await work.run(['job', 'pause', '--reason', 'r'])).code).toBe(1)

    await using daemon = startDaemon(work, { env: ANY })
    await daemon.until('daemon.started')
    expect(await paused()).toEqual({ 'job_id=slow': 1 })
    await work.ok(['job', 'resume', 'slow'], {})
    expect(await paused()).toEqual({})

    const elsewhere = { HOLDFAST_URL: await addressOf(daemon), HOLDFAST_TOKEN: TOKEN }
    const asked = { env: elsewhere, cwd: '/' }
    await work.ok(['job', 'pause', '--all', '--reason', 'r', '--author', 'me'], asked)
    expect(await paused()).toEqual({ 'job_id=slow': 1 })
    const wrong = { env: { ...elsewhere, HOLDFAST_TOKEN: 'wrong' }, cwd: '/' }
    const refused = await work.run(['job', 'resume', '--all', '--json'], wrong)
    expect([refused.code, refused.document.error.code]).toEqual([1, 'token_needed'])
    expect(await paused()).toEqual({ 'job_id=slow': 1 })
    await work.ok(['job', 'resume', '--all'], asked)
    expect(await paused()).toEqual({})
  })
})
