import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import type { Engine } from '../../src/docker/engine.ts'
import { startExec } from '../../src/docker/exec.ts'
import { TimeLimit } from '../../src/lib/errors.ts'
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
})
