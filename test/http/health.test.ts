import { connect, createServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import { createVitals } from '../../src/daemon/vitals.ts'
import { openFace } from '../../src/http/face.ts'
import { openGate } from '../daemon/gate.ts'
import { makeLoop } from '../daemon/loop.ts'
import { poll, startDaemon } from '../support/daemon.ts'
import { makeWorkspace, type Workspace } from '../support/holdfast.ts'
import { addressOf, ask } from './ask.ts'

const ANY = { HOLDFAST_HTTP: '127.0.0.1:0' }
const HERE = { here: { type: 'local', path: 'target' } }

/** A server that takes connections and never says a word. */
async function openSilence() {
  const server = createServer(() => {})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return {
    port: typeof address === 'object' ? (address?.port ?? 0) : 0,
    [Symbol.asyncDispose]: async () => void server.close(),
  }
}

describe('/healthz', () => {
  it('answers within 2 s while backups run and a target hangs', async () => {
    await using work = await makeWorkspace()
    await using silence = await openSilence()
    await using gate = await openGate()
    const hanging = {
      type: 's3',
      bucket: 'b',
      endpoint: `http://127.0.0.1:${silence.port}`,
      region: 'x',
      access_key_id: 'a',
      secret_access_key: 'b',
    }
    const busy = ['sh', '-c', 'head -c 100000000 /dev/urandom']
    const jobs = {
      slow: {
        first_run: 'now',
        targets: ['here'],
        source: { type: 'command', name: 'slow', backup: ['cat', gate.path] },
      },
      busy: {
        first_run: 'now',
        targets: ['here'],
        source: { type: 'command', name: 'busy', backup: busy },
      },
      away: {
        first_run: 'now',
        targets: ['away'],
        source: { type: 'command', name: 'away', backup: busy },
      },
    }
    const config = { data_dir: 'state', targets: { ...HERE, away: hanging }, jobs }
    await work.write({ 'holdfast.yml': JSON.stringify(config) })
    await using daemon = startDaemon(work, { env: ANY })
    const address = await addressOf(daemon)
    await daemon.until('backup.started', { fits: ({ job }) => job === 'slow' })
    let longest = 0
    const asked = async () => {
      const began = performance.now()
      const { status, document } = await ask(address, '/healthz')
      longest = Math.max(longest, performance.now() - began)
      expect([status, document]).toEqual([200, { status: 'ok' }])
    }
    let isDone = false
    const done = daemon
      .until('backup.done', { fits: ({ job }) => job === 'busy' })
      .then(() => (isDone = true))
    while (!isDone) await asked()
    await done
    for (let count = 0; count < 20; count++) await asked()
    console.log(`/healthz under load: ${longest.toFixed(0)} ms at the longest`)
    expect(longest).toBeLessThan(2000)
    await gate.pass('end')
  })

  it('tells of a loop that gives no sign for two minutes, and of no other', async () => {
    await using loop = await makeLoop({}, { now: '2026-11-20T10:00:00Z' })
    const vitals = createVitals(
      () => {},
      () => loop.world().now(),
    )
    await using place = await open(loop, vitals)
    expect((await ask(place.socket, '/healthz')).status).toBe(200)
    vitals.enter('working')
    vitals.turn(performance.now() - 119_000)
    expect((await ask(place.socket, '/healthz')).status).toBe(200)
    vitals.turn(performance.now() - 121_000)
    expect(await ask(place.socket, '/healthz')).toMatchObject({
      status: 503,
      document: { status: 'stuck' },
    })
    vitals.enter('draining') // takes as long as the file says
    expect((await ask(place.socket, '/healthz')).status).toBe(200)
  })
})

describe('holdfast system health', () => {
  const health = async (work: Workspace) => {
    const { code, stdout, stderr } = await work.run(['system', 'health'])
    return { code, said: stdout + stderr }
  }

  it('ends with 0 for a daemon that lives, and with 1 for one that hangs or is not there', async () => {
    await using work = await makeWorkspace()
    await work.write({ 'holdfast.yml': JSON.stringify({ data_dir: 'state', targets: HERE }) })
    expect(await health(work)).toMatchObject({
      code: 1,
      said: expect.stringMatching(/no daemon answers at .*sock: .*\n {2}hint: start one with/),
    })
    await using daemon = startDaemon(work, { env: ANY })
    await addressOf(daemon)
    expect(await health(work)).toEqual({ code: 0, said: 'alive\n' })
    daemon.signal('SIGSTOP')
    expect(await health(work)).toMatchObject({
      code: 1,
      said: expect.stringContaining('the look at the daemon'),
    })
    daemon.signal('SIGCONT')
    expect(await health(work)).toMatchObject({ code: 0 })
    // The daemon goes on by the config from before: nothing may restart it into this one.
    const faulty = { data_dir: 'state', targets: { here: { type: 'lokal' } }, jbos: {} }
    await work.write({ 'holdfast.yml': JSON.stringify(faulty) })
    expect((await work.run(['validate'])).code).toBe(10)
    expect(await health(work)).toEqual({ code: 0, said: 'alive\n' })
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the config's own syntax
    await work.write({ 'holdfast.yml': JSON.stringify({ ...faulty, data_dir: '${NOWHERE}' }) })
    expect(await health(work)).toMatchObject({ code: 10, said: expect.stringContaining('NOWHERE') })
  })

  it('ends with 1 for one whose loop is stuck, and says so', async () => {
    await using loop = await makeLoop({}, { now: '2026-11-20T10:00:00Z' })
    const vitals = createVitals(
      () => {},
      () => loop.world().now(),
    )
    await using _place = await open(loop, vitals)
    await using work = await makeWorkspace(`{ data_dir: "${loop.at('state')}" }`)
    vitals.enter('working')
    vitals.turn(performance.now() - 121_000)
    expect(await health(work)).toMatchObject({
      code: 1,
      said: expect.stringContaining('answered 503: stuck'),
    })
  })
})

type Loop = Awaited<ReturnType<typeof makeLoop>>
type Vitals = ReturnType<typeof createVitals>

/** The face of a loop, whose state can be cut off. */
async function open(loop: Loop, vitals: Vitals) {
  const link = { isCut: false }
  const world = () => {
    const { store, ...rest } = loop.world()
    const fact: typeof store.fact = (key) =>
      link.isCut ? Promise.reject(new Error('cut')) : store.fact(key)
    return { ...rest, store: { ...store, fact } }
  }
  const face = await openFace({
    world,
    vitals,
    control: {
      drain: () => loop.dispatch().drain(0 as never),
      undrain: async () => loop.dispatch().undrain(),
      pause: () => Promise.reject(new Error('not here')),
      resume: () => Promise.reject(new Error('not here')),
      instances: async () => [],
    },
    isDraining: () => loop.dispatch().isDraining(),
    restoreVariable: null,
  })
  return {
    link,
    socket: loop.at('state', 'holdfast.sock'),
    [Symbol.asyncDispose]: () => face[Symbol.asyncDispose](),
  }
}

describe('/readyz', () => {
  it('is ready once the restore at boot is over, and not while it drains', async () => {
    await using loop = await makeLoop({}, { now: '2026-11-20T10:00:00Z' })
    const vitals = createVitals(() => {}, Date.now as never)
    await using place = await open(loop, vitals)
    const said = async () => {
      const { status, document } = await ask(place.socket, '/readyz')
      return [status, document.status, document.because]
    }
    expect(await said()).toEqual([503, 'not-ready', ['starting']])
    vitals.enter('working')
    expect(await said()).toEqual([200, 'ready', []])
    await loop.dispatch().drain(0 as never)
    expect(await said()).toEqual([503, 'not-ready', ['draining']])
    loop.dispatch().undrain()
    expect(await said()).toEqual([200, 'ready', []])
  })

  it('stands one failed look at a state that answered just before, and no more', async () => {
    await using loop = await makeLoop({}, { now: '2026-11-20T10:00:00Z' })
    const vitals = createVitals(() => {}, Date.now as never)
    vitals.enter('working')
    await using place = await open(loop, vitals)
    expect((await ask(place.socket, '/readyz')).status).toBe(200)
    place.link.isCut = true
    expect((await ask(place.socket, '/readyz')).status).toBe(200)
    place.link.isCut = false
    expect((await ask(place.socket, '/readyz')).status).toBe(200)
  })

  it('of an instance cut off from its state is not ready, and that instance lives', async () => {
    await using loop = await makeLoop({}, { now: '2026-11-20T10:00:00Z' })
    const vitals = createVitals(() => {}, Date.now as never)
    vitals.enter('working')
    await using place = await open(loop, vitals)
    place.link.isCut = true
    expect(await ask(place.socket, '/readyz')).toMatchObject({
      status: 503,
      document: { because: ['state-away'], isolated: true, state: { reached: false } },
    })
    expect((await ask(place.socket, '/healthz')).status).toBe(200)
    place.link.isCut = false
    expect((await ask(place.socket, '/readyz')).status).toBe(200)
  })

  it('tells of a target that is away and of a config that is rejected, and stays ready', async () => {
    await using work = await makeWorkspace()
    await work.write({ 'live/a': 'a', plug: 'a file, where a folder is to be' })
    const jobs = { files: { targets: ['here'], source: { type: 'directory', path: 'live' } } }
    const targets = { ...HERE, gone: { type: 'local', path: 'plug' } }
    const config = (more: object) =>
      JSON.stringify({
        data_dir: 'state',
        http: { token: 'open-the-door-please' },
        targets,
        jobs,
        ...more,
      })
    await work.write({ 'holdfast.yml': config({}) })
    await using daemon = startDaemon(work, { env: { ...ANY, HOLDFAST_RESTORE: '' } })
    const address = await addressOf(daemon)
    await daemon.until('drift.found', { fits: ({ target }) => target === 'gone' })
    await work.write({ 'holdfast.yml': config({ nonsense: 1 }) })
    await daemon.until('config.rejected')
    const { status, document } = await ask(address, '/readyz')
    expect(status).toBe(200)
    expect(document).toMatchObject({
      status: 'ready',
      state: { kind: 'sqlite', reached: true },
      redis: null,
      config: { rejected: expect.stringContaining('nonsense') },
      restore: { done: true, variable: null },
      draining: false,
      isolated: false,
    })
    const reached = document.targets.map(({ id, reached }: { id: string; reached: boolean }) => [
      id,
      reached,
    ])
    expect(Object.fromEntries(reached)).toEqual({ here: true, gone: false })

    // From anywhere else it says no more than it has to.
    const afar = { headers: { 'x-forwarded-for': '203.0.113.9' } }
    const bare = await ask(address, '/readyz', afar)
    expect([bare.status, bare.document]).toEqual([200, { status: 'ready' }])
    const wrong = { headers: { ...afar.headers, authorization: 'Bearer open-the-door' } }
    expect((await ask(address, '/readyz', wrong)).document).toEqual({ status: 'ready' })
    const right = { headers: { ...afar.headers, authorization: 'Bearer open-the-door-please' } }
    expect((await ask(address, '/readyz', right)).document).toHaveProperty('targets')
  })
})

describe('a request', () => {
  it('of another shape than any of ours is refused in JSON, without a trace of the inside', async () => {
    await using work = await makeWorkspace(`data_dir: ./state`)
    await using daemon = startDaemon(work, { env: ANY })
    const address = await addressOf(daemon)
    const cases = [
      ['GET', '/', 404, 'not_found'],
      ['GET', '/api/v1/jobs/%zz/pause', 404, 'not_found'],
      ['DELETE', '/healthz', 405, 'method_not_allowed'],
      ['GET', '/api/v1/system/drain', 405, 'method_not_allowed'],
    ] as const
    for (const [method, path, status, code] of cases) {
      const answered = await ask(address, path, { method })
      expect([path, answered.status, answered.document.error.code]).toEqual([path, status, code])
      expect(answered.text).not.toMatch(/\.ts|node:|at /)
    }
    const head = await ask(address, '/healthz', { method: 'HEAD' })
    expect([head.status, head.text]).toEqual([200, ''])
    expect(head.headers['content-length']).toBe('16')
    const { port } = new URL(address)
    const broken = connect(Number(port), '127.0.0.1').end('nonsense\r\n\r\n').setEncoding('utf8')
    let said = ''
    for await (const part of broken) said += part
    expect(said).toMatch(/^HTTP\/1.1 400 /)
    await poll(async () => (await ask(address, '/readyz')).status === 200, 'readiness')
    expect(await daemon.stop()).toEqual({ code: 0, signal: null })
    expect(daemon.events()).not.toContain('pass.failed')
  })
})
