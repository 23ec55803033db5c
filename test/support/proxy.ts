import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

/** To the server, or back from it. */
export type Direction = 'up' | 'down'

/** A TCP proxy on the loopback before a server, which does to connections what a network does. */
export interface FaultyLink extends AsyncDisposable {
  readonly port: number
  readonly endpoint: string
  /** First lines of the requests that passed: `PUT /bucket/key`. */
  readonly requests: readonly string[]
  /** Bytes that passed since the last `forget`. */
  passed(direction: Direction): number
  /** Connections that are open. */
  readonly connections: number
  /** Begins to count anew. */
  forget(): void
  /** Cuts the connection on which so many bytes more have gone that way; once, or all from then on. */
  cutAfter(direction: Direction, bytes: number, then?: 'go on' | 'stay dead'): void
  /** Calls `act` once so many bytes more have gone that way, unless `heal` comes first. */
  whenPassed(direction: Direction, bytes: number, act: () => void): void
  /** Leads new connections to the server on that port. */
  redirect(port: number): void
  /** Cuts all connections, and takes no new ones. */
  die(): void
  /** Nothing passes any more, and no connection ends. */
  stall(): void
  /** Keeps what comes on the connections of this moment; those that are new pass. */
  freeze(): void
  /** Does so on the connection on which the next such request comes, `PUT /bucket/key`, and calls `act`. */
  holdRequest(match: RegExp, act: () => void): void
  /** All is well again: what was kept passes. */
  heal(): void
}

interface Mark {
  readonly direction: Direction
  readonly at: number
  readonly act: () => void
}

interface Hold {
  readonly match: RegExp
  readonly act: () => void
}

interface Cut {
  readonly direction: Direction
  readonly at: number
  readonly then: 'go on' | 'stay dead'
}

const REQUEST = /^(GET|HEAD|PUT|POST|DELETE) (\S+) HTTP\/1\.1\r\n/

/** Starts one before a server on the loopback. */
export async function startProxy(port: number): Promise<FaultyLink> {
  const sockets = new Set<Socket>()
  const over = new WeakSet<Socket>()
  const requests: string[] = []
  const passed = { up: 0, down: 0 }
  let cut: Cut | null = null
  let mark: Mark | null = null
  let hold: Hold | null = null
  let kept: (() => void)[] = []
  let isDead = false
  let isStalled = false
  let aim = port

  const join = (from: Socket, to: Socket, direction: Direction) => {
    from.on('data', (bytes: Buffer) => {
      if (over.has(from)) return
      const [, method, path] = REQUEST.exec(bytes.subarray(0, 4096).toString('latin1')) ?? []
      if (direction === 'up' && method) {
        requests.push(`${method} ${path}`)
        if (hold?.match.test(`${method} ${path}`)) {
          const { act } = hold
          hold = null
          from.pause()
          kept.push(() => to.write(bytes))
          act()
          return
        }
      }
      const isOver = cut?.direction === direction && passed[direction] + bytes.length > cut.at
      passed[direction] += bytes.length
      if (mark?.direction === direction && passed[direction] >= mark.at) {
        const { act } = mark
        mark = null
        act()
      }
      if (!isOver || !cut) {
        to.write(bytes)
        return
      }
      const before = bytes.subarray(0, bytes.length - (passed[direction] - cut.at))
      isDead = cut.then === 'stay dead'
      cut = null
      const ending = isDead ? [...sockets] : [from, to]
      // What comes after the cut never passes, while its last bytes are still on their way.
      for (const socket of ending) over.add(socket)
      const end = () => {
        for (const socket of ending) socket.destroy()
      }
      if (before.length > 0) to.write(before, end)
      else end()
    })
    from.on('error', () => {})
    from.on('close', () => {
      sockets.delete(from)
      to.destroy()
    })
    sockets.add(from)
    if (isStalled) from.pause()
  }
  const server = createServer((client) => {
    if (isDead) {
      client.on('error', () => {})
      client.destroy()
      return
    }
    const target = connect(aim, '127.0.0.1')
    join(client, target, 'up')
    join(target, client, 'down')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const own = typeof address === 'object' && address ? address.port : 0
  return {
    port: own,
    endpoint: `http://127.0.0.1:${own}`,
    requests,
    get connections() {
      return sockets.size / 2
    },
    passed: (direction) => passed[direction],
    forget() {
      requests.length = 0
      passed.up = 0
      passed.down = 0
    },
    cutAfter(direction, bytes, then = 'go on') {
      cut = { direction, at: passed[direction] + bytes, then }
    },
    whenPassed(direction, bytes, act) {
      mark = { direction, at: passed[direction] + bytes, act }
    },
    redirect(to) {
      aim = to
    },
    die() {
      isDead = true
      for (const socket of sockets) socket.destroy()
    },
    freeze() {
      for (const socket of sockets) socket.pause()
    },
    holdRequest(match, act) {
      hold = { match, act }
    },
    stall() {
      isStalled = true
      for (const socket of sockets) socket.pause()
    },
    heal() {
      cut = null
      mark = null
      hold = null
      for (const pass of kept) pass()
      kept = []
      isDead = false
      isStalled = false
      for (const socket of sockets) socket.resume()
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((closed) => server.close(closed))
    },
  }
}
