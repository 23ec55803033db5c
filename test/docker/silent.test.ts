import { EventEmitter, once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import { afterEach, describe, expect, it } from 'vitest'
import { readArchive } from '../../src/docker/archive.ts'
import { type Attachment, attach, type Standing } from '../../src/docker/attached.ts'
import { PACE } from '../../src/docker/ending.ts'
import type { Engine } from '../../src/docker/engine.ts'
import { startExec } from '../../src/docker/exec.ts'
import { EngineRefused, EngineUnreachable, TimeLimit } from '../../src/lib/errors.ts'
import { engineAt } from './support.ts'

const { signal } = new AbortController()
const closings: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closings.splice(0)) await close()
})

type Answer = (request: IncomingMessage, response: ServerResponse) => void

/** An engine that answers as told, and takes every program's streams without a word. */
async function engineThat(answer: Answer): Promise<Engine> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-silent-'))
  const path = join(folder, 'docker.sock')
  const open = new Set<Socket>()
  const server = createServer(answer)
  server.on('connection', (socket) => open.add(socket))
  server.on('upgrade', (_request, socket) => {
    socket.on('error', () => {})
    socket.write('HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n')
  })
  await new Promise<void>((listening) => server.listen(path, listening))
  closings.push(async () => {
    for (const socket of open) socket.destroy()
    server.close()
    await rm(folder, { recursive: true })
  })
  return await engineAt(`unix://${path}`)
}

function say(response: ServerResponse, status: number, content: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(content))
}

/** A connection that brings nothing. */
function quiet(): Duplex {
  return new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() })
}

function program(
  connection: Duplex,
  hasStdin: boolean,
  standing: () => Promise<Standing>,
): Attachment {
  return { name: 'sleep in app', connection, hasStdin, standing, kill: async () => {} }
}

const options = { timeLimit: null, signal }
const HASTY = { ...PACE, askEvery: 5, silenceLimit: 100 }

describe('an engine that falls silent', () => {
  it('when a program is to be killed is left alone after a while', async () => {
    const attempt = async (silentAt: string) => {
      let made = 0
      const engine = await engineThat(({ url = '' }, response) => {
        if (url.endsWith('/json')) return say(response, 200, { Running: true, ExitCode: null })
        if (url === '/containers/app/exec' && ++made === 1) return say(response, 201, { Id: 'one' })
        if (url !== silentAt) say(response, 201, { Id: 'killer' })
      })
      const dump = { container: 'app', argv: ['pg_dump'] }
      const { exit } = await startExec(engine, dump, { timeLimit: 100, signal })
      await expect(exit).rejects.toBeInstanceOf(TimeLimit)
    }
    await Promise.all([attempt('/containers/app/exec'), attempt('/exec/killer/start')])
  }, 60_000)

  it('is not waited for by whoever waits for a program, with input or without', async () => {
    for (const hasStdin of [false, true]) {
      const standing = async () => {
        throw new EngineUnreachable('nobody listens there')
      }
      const { exit, stdout } = attach(program(quiet(), hasStdin, standing), options, HASTY)
      const told = new Promise((error) => stdout.once('error', error))
      await expect(exit).rejects.toThrow('the engine of sleep in app has not answered for 100ms')
      await expect(exit).rejects.toBe(await told)
      expect(await told).toBeInstanceOf(EngineUnreachable)
    }
  })

  it('now and then only is waited for, if only because it refuses', async () => {
    const connection = quiet()
    let looks = 0
    const standing = async () => {
      looks++
      if (looks > 50) connection.push(null)
      if (looks > 50) return { isRunning: false, code: 0 }
      if (looks % 2 === 0) throw new EngineRefused(500, 'not now')
      throw new EngineUnreachable('nobody listens there')
    }
    const { exit, stdout } = attach(program(connection, false, standing), options, HASTY)
    stdout.resume()
    expect(await exit).toMatchObject({ code: 0 })
    expect(looks).toBeGreaterThan(50)
  })

  it('in the middle of an archive is told to its reader', async () => {
    const engine = await engineThat(({ url = '' }, response) => {
      if (url.startsWith('/containers/app/archive')) response.writeHead(200).write('half a tar')
      else response.destroy()
    })
    const place = { container: 'app', path: '/data' }
    const body = await readArchive(engine, place, signal, { askEvery: 10, silenceLimit: 0 })
    await expect(body.toArray()).rejects.toThrow(
      'the engine of the archive of app has not answered',
    )
  }, 60_000)

  it('before an archive begins has nothing kept open for what it sends too late', async () => {
    const abort = new AbortController()
    const closed = new EventEmitter()
    const engine = await engineThat((_request, response) => {
      response.once('close', () => closed.emit('close'))
      abort.abort(new Error('enough'))
    })
    const isClosed = once(closed, 'close')
    const place = { container: 'app', path: '/data' }
    await expect(readArchive(engine, place, abort.signal)).rejects.toThrow('enough')
    await isClosed
  })
})
