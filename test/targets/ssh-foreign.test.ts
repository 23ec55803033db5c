import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { expect, it } from 'vitest'
import { TargetUnreachable } from '../../src/lib/errors.ts'
import { type ForeignSsh, LSTAT, startForeignSsh } from '../services/foreign-ssh.ts'
import { folder, type Opening, openSsh } from './ssh-support.ts'

const signal = new AbortController().signal

/** A target on the server, in a folder of the test's own. */
async function place(server: ForeignSsh, over: Partial<Opening> = {}) {
  const path = await folder()
  return { path, target: openSsh(server, { path, dataDir: await folder(), ...over }) }
}

it('ends what waits when the host says goodbye and the network loses the end', async () => {
  await using server = await startForeignSsh()
  await using proxy = await startEndless(server.port)
  const { target } = await place(server, { block: { port: proxy.port } })
  server.meddle((request) => {
    if (request[0] !== LSTAT) return request
    server.disconnect()
    return null
  })
  const error = await target.stat('object', signal).catch((error: unknown) => error)
  expect(error).toBeInstanceOf(TargetUnreachable)
  expect(error).toMatchObject({ message: expect.stringContaining('the host closed the connection') })
})

/** A way to a server on which no connection ends. */
async function startEndless(port: number) {
  const sockets: Socket[] = []
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const far = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    for (const [from, to] of [
      [client, far],
      [far, client],
    ] as const) {
      from.on('data', (bytes) => to.write(bytes))
      from.on('error', () => {})
      sockets.push(from)
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((closed) => server.close(closed))
    },
  }
}
