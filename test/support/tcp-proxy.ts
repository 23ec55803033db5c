import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

/** To the server, or from it. */
export type Direction = 'up' | 'down'

/** Stands between a client and a server of this machine, and misbehaves as it is told. */
export interface TcpProxy extends AsyncDisposable {
  readonly port: number
  /** Bytes that have passed so far. */
  readonly passed: Readonly<Record<Direction, number>>
  /** Cuts the connection on which that many more bytes have passed in that direction; once. */
  cutAfter(direction: Direction, bytes: number): void
  /** Lets nothing pass any more, and keeps the connections open. */
  stall(): void
  /** Cuts all connections, and takes no new ones. */
  refuse(): void
  /** Takes connections again, at the same port. */
  resume(): Promise<void>
}

export async function startTcpProxy(port: number): Promise<TcpProxy> {
  const passed = { up: 0, down: 0 }
  const sockets = new Set<Socket>()
  let cut: { readonly direction: Direction; readonly at: number } | null = null
  let isStalled = false

  const pass = (from: Socket, to: Socket, direction: Direction) => {
    sockets.add(from)
    from.on('error', () => {})
    from.on('close', () => {
      sockets.delete(from)
      to.destroy()
    })
    from.on('data', (bytes) => {
      if (isStalled) return
      passed[direction] += bytes.length
      if (cut?.direction !== direction || passed[direction] < cut.at) return void to.write(bytes)
      const excess = passed[direction] - cut.at
      cut = null
      to.write(bytes.subarray(0, bytes.length - excess), () => from.resetAndDestroy())
    })
  }
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1')
    pass(client, upstream, 'up')
    pass(upstream, client, 'down')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('there is no port')
  const refuse = () => {
    server.close()
    for (const socket of sockets) socket.destroy()
  }
  return {
    port: address.port,
    passed,
    cutAfter: (direction, bytes) => {
      cut = { direction, at: passed[direction] + bytes }
    },
    stall: () => {
      isStalled = true
    },
    refuse,
    async resume() {
      server.listen(address.port, '127.0.0.1')
      await once(server, 'listening')
    },
    async [Symbol.asyncDispose]() {
      refuse()
    },
  }
}
