import { mkdir, stat, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import { poll, startDaemon } from '../support/daemon.ts'
import { makeWorkspace, type Workspace } from '../support/holdfast.ts'
import { addressOf, ask } from './ask.ts'

const CONFIG = 'data_dir: ./state\n'
const socketOf = (work: Workspace) => work.at('state', 'holdfast.sock')

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null)) !== null
}

/** Somebody else's server on a port. */
async function occupy(port = 0) {
  const server = createServer(() => {})
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', resolve)
  })
  const address = server.address()
  return {
    port: typeof address === 'object' ? (address?.port ?? 0) : 0,
    [Symbol.asyncDispose]: async () => void server.close(),
  }
}

describe('the socket in data_dir', () => {
  it('is for its owner alone, replaces what a killed daemon left, and goes with its daemon', async () => {
    await using work = await makeWorkspace(CONFIG)
    await using killed = startDaemon(work)
    await killed.until('daemon.started')
    await killed.stop('SIGKILL')
    expect(await isThere(socketOf(work))).toBe(true)
    await expect(ask(socketOf(work), '/healthz')).rejects.toThrow('ECONNREFUSED')

    await using daemon = startDaemon(work)
    await daemon.until('daemon.started')
    expect(((await stat(socketOf(work))).mode & 0o7777).toString(8)).toBe('600')
    expect((await ask(socketOf(work), '/healthz')).status).toBe(200)
    expect(Object.keys(await work.files('state')).some((name) => name.startsWith('.h-'))).toBe(
      false,
    )
    await daemon.stop()
    expect(await isThere(socketOf(work))).toBe(false)
  })

  it('is done without, with a warning, where its path is longer than the system takes', async () => {
    await using work = await makeWorkspace()
    const deep = `deep/${'x'.repeat(110)}`
    await mkdir(work.at('deep'))
    await work.write({ 'holdfast.yml': `data_dir: ./${deep}\n` })
    await using daemon = startDaemon(work, { env: { HOLDFAST_HTTP: '127.0.0.1:0' } })
    const told = await daemon.until('http.unavailable')
    expect(told).toMatchObject({ level: 'warn', hint: expect.stringContaining('data_dir') })
    expect((await ask(await addressOf(daemon), '/healthz')).status).toBe(200)
    expect(await daemon.stop()).toEqual({ code: 0, signal: null })
  })

  it('is there before a restore at boot, which is told as not ready', async () => {
    await using work = await makeWorkspace()
    const source = {
      type: 'command',
      name: 'slow',
      backup: ['echo', 'data'],
      restore: ['sh', '-c', 'cat > taken; while [ ! -e go ]; do sleep 0.05; done'],
      cwd: '.',
    }
    const targets = { here: { type: 'local', path: 'target' } }
    const config = { data_dir: 'state', targets, jobs: { slow: { source } } }
    await work.write({ 'holdfast.yml': JSON.stringify(config) })
    await work.ok(['backup', 'create'])
    await using daemon = startDaemon(work, { env: { HOLDFAST_RESTORE: 'slow/slow' } })
    await daemon.until('restore.requested')
    await poll(() => isThere(work.at('taken')), 'the restore')
    expect((await ask(socketOf(work), '/healthz')).status).toBe(200)
    expect(await ask(socketOf(work), '/readyz')).toMatchObject({
      status: 503,
      document: { because: ['starting'], restore: { done: false, variable: 'HOLDFAST_RESTORE' } },
    })
    await writeFile(work.at('go'), '')
    await daemon.until('daemon.started')
    await poll(async () => (await ask(socketOf(work), '/readyz')).status === 200, 'readiness')
    const { text } = await ask(socketOf(work), '/metrics')
    expect(text).toContain('holdfast_restore_variable_set 1')
  })
})

describe('the address', () => {
  it('that is only the usual one may be taken: the daemon warns and goes on by its socket', async () => {
    await using work = await makeWorkspace(CONFIG)
    // Whoever has the usual port of this machine, this test or another program.
    await using _other = await occupy(7788).catch(() => occupy())
    await using daemon = startDaemon(work, { env: { HOLDFAST_HTTP: '' } })
    const told = await daemon.until('http.unavailable')
    expect(told).toMatchObject({ level: 'warn', address: '127.0.0.1:7788' })
    await daemon.until('daemon.started')
    expect((await ask(socketOf(work), '/readyz')).status).toBe(200)
    expect(await daemon.stop()).toEqual({ code: 0, signal: null })
  })

  it('that was declared and cannot be had stops the start, and leaves no socket behind', async () => {
    await using work = await makeWorkspace()
    await using other = await occupy()
    const listen = `127.0.0.1:${other.port}`
    await work.write({ 'holdfast.yml': `${CONFIG}http: { listen: "${listen}" }\n` })
    const ran = await work.run(['daemon'], { env: { HOLDFAST_HTTP: '' } })
    expect(ran.code).toBe(1)
    expect(ran.stderr).toContain(`cannot listen on ${listen}`)
    expect(ran.stderr).toContain('http.listen')
    expect(await isThere(socketOf(work))).toBe(false)
  })

  it('is not listened on where the file or the environment turns it off', async () => {
    await using work = await makeWorkspace(`${CONFIG}http: { enabled: false }\n`)
    await using daemon = startDaemon(work, { env: { HOLDFAST_HTTP: '' } })
    await daemon.until('daemon.started')
    expect(daemon.events()).not.toContain('http.listening')
    expect((await ask(socketOf(work), '/healthz')).status).toBe(200)
    await daemon.stop()
    await work.write({ 'holdfast.yml': `${CONFIG}http: { listen: "127.0.0.1:0" }\n` })
    await using quiet = startDaemon(work, { env: { HOLDFAST_HTTP: 'off' } })
    await quiet.until('daemon.started')
    expect(quiet.events()).not.toContain('http.listening')
  })

  it('cannot be changed while the daemon runs: that change is rejected', async () => {
    await using work = await makeWorkspace(`${CONFIG}http: { listen: "127.0.0.1:0" }\n`)
    await using daemon = startDaemon(work, { env: { HOLDFAST_HTTP: '' } })
    await daemon.until('daemon.started')
    await work.write({ 'holdfast.yml': `${CONFIG}http: { listen: "127.0.0.1:1" }\n` })
    const told = await daemon.until('config.rejected')
    expect(told.message).toContain('http.listen cannot change while the daemon runs')
  })

  it('is held up by nobody who sends slowly or nothing: such a one is let go, and others are answered', async () => {
    await using work = await makeWorkspace(CONFIG)
    await using daemon = startDaemon(work)
    await daemon.until('daemon.started')
    const began = performance.now()
    const ends = ['', 'GET /healthz HTTP/1.1\r\nhost: x\r\n'].map(async (text) => {
      const slow = connect(socketOf(work)).setEncoding('utf8')
      slow.write(text)
      let said = ''
      for await (const part of slow) said += part
      return said.split('\r\n')[0]
    })
    expect((await ask(socketOf(work), '/healthz')).status).toBe(200)
    expect(await Promise.all(ends)).toEqual(
      [408, 408].map((code) => `HTTP/1.1 ${code} Request Timeout`),
    )
    expect(performance.now() - began).toBeLessThan(25_000)
  })

  it('keeps no daemon from its end: a client that holds on is let go within seconds', async () => {
    await using work = await makeWorkspace(CONFIG)
    await using daemon = startDaemon(work, { env: { HOLDFAST_HTTP: '127.0.0.1:0' } })
    const { port } = new URL(await addressOf(daemon))
    await daemon.until('daemon.started')
    const idle = connect(Number(port), '127.0.0.1')
    const half = connect(Number(port), '127.0.0.1')
    half.write('POST /api/v1/system/drain HTTP/1.1\r\nhost: x\r\ncontent-le')
    half.on('error', () => {})
    idle.on('error', () => {})
    expect((await ask(`http://127.0.0.1:${port}`, '/healthz')).status).toBe(200)
    const began = performance.now()
    expect(await daemon.stop()).toEqual({ code: 0, signal: null })
    expect(performance.now() - began).toBeLessThan(5000)
  })
})
