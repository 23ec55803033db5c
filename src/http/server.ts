import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Inside } from '../daemon/face.ts'
import { reportOf } from '../lib/errors.ts'
import { answerOf, send } from './answer.ts'
import { askedOf } from './request.ts'
import { route } from './routes.ts'

/** Nobody of ours sends slowly; who does must not keep a connection from others. */
const LIMITS = {
  headersTimeout: 10_000,
  requestTimeout: 15_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 5_000,
  maxHeaderSize: 8 * 1024,
} as const
/** What is being answered at the end gets this long. */
const LAST_SECOND = 1_000

/** Speaks HTTP on connections that somebody else accepts. */
export interface Answering {
  take(socket: Socket): void
  /** Lets what is being answered end within a second. */
  end(): Promise<void>
}

/** Serves the routes: Node's own server, as there are a dozen and no schema between them. */
export function answerConnections(inside: Inside, way: 'socket' | 'tcp'): Answering {
  const server = createServer(LIMITS, (request, response) => {
    void answer(inside, way, request, response)
  })
  const sockets = new Set<Socket>()
  // Its limits begin to be watched when it listens, which this one never does itself.
  server.emit('listening')
  return {
    take(socket) {
      sockets.add(socket.once('close', () => sockets.delete(socket)))
      server.emit('connection', socket)
      socket.resume()
    },
    end: () => end(server, sockets),
  }
}

async function answer(
  inside: Inside,
  way: 'socket' | 'tcp',
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { method = 'GET' } = request
  try {
    send(response, await route(askedOf(request, way), inside), method)
  } catch (error) {
    // Who went away or sent half a request is owed no answer, and is no failure of ours.
    if (response.destroyed || request.errored) return
    const refused = answerOf(error)
    if (refused.status === 500) tell(inside, error)
    // The rest of a body that nobody reads must not be taken for the next request.
    if (refused.status === 413) response.setHeader('connection', 'close')
    send(response, refused, method)
  }
}

function tell(inside: Inside, error: unknown): void {
  inside.world().report({
    event: 'pass.failed',
    level: 'error',
    message: 'a request could not be answered',
    error: reportOf(error),
  })
}

async function end(server: Server, sockets: ReadonlySet<Socket>): Promise<void> {
  // Closes what is idle and asks the others to be the last; it never listened, which is no news.
  server.close(() => {})
  const gone = [...sockets].map((one) => new Promise((resolve) => one.once('close', resolve)))
  const timer = setTimeout(() => {
    for (const socket of sockets) socket.destroy()
  }, LAST_SECOND)
  await Promise.all(gone)
  clearTimeout(timer)
}
