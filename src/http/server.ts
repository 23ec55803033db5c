import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { ListenOptions } from 'node:net'
import type { Inside } from '../daemon/face.ts'
import { reportOf } from '../lib/errors.ts'
import { answerOf, send } from './answer.ts'
import { askedOf } from './request.ts'
import { route } from './routes.ts'

/*
 * Node's own server and a table of routes: with fastify an idle daemon that nobody asks anything
 * would hold several megabytes more, for a dozen routes without a schema between them.
 */

/** Nobody of ours sends slowly; who does must not keep a connection from others. */
const LIMITS = {
  headersTimeout: 10_000,
  requestTimeout: 15_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 5_000,
  maxHeaderSize: 8 * 1024,
} as const
const CONNECTIONS = 256
/** What is being answered at the end gets this long. */
const LAST_SECOND = 1_000

/** A server that listens; disposing of it ends it in bounded time. */
export interface Listening extends AsyncDisposable {
  readonly server: Server
}

/** Serves the routes at a place. Throws what `listen` of Node meets. */
export async function serve(
  inside: Inside,
  way: 'socket' | 'tcp',
  place: ListenOptions,
): Promise<Listening> {
  const server = createServer(LIMITS, (request, response) => {
    void answer(inside, way, request, response)
  })
  server.maxConnections = CONNECTIONS
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject).listen(place, resolve)
  await promise
  server.off('error', reject).on('error', (error) => tell(inside, error))
  return { server, [Symbol.asyncDispose]: () => close(server) }
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

async function close(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(() => server.closeAllConnections(), LAST_SECOND)
  server.close(() => resolve())
  server.closeIdleConnections()
  await promise
  clearTimeout(timer)
}
