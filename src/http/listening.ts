import { createServer, type ListenOptions, type Server, type Socket } from 'node:net'
import type { Inside } from '../daemon/face.ts'
import { reportOf } from '../lib/errors.ts'
import type { Answering } from './server.ts'

const CONNECTIONS = 256

/** A place that is listened at; disposing of it ends it in bounded time. */
export interface Listening extends AsyncDisposable {
  readonly server: Server
}

/**
 * Answers who connects at a place. Throws what `listen` of Node meets.
 *
 * Node's HTTP takes 12 MB of memory, of the 80 that an idle daemon may have in all: whom nobody asks
 * anything only listens, and the first connection loads the rest.
 */
export async function listenAt(
  inside: Inside,
  way: 'socket' | 'tcp',
  place: ListenOptions,
): Promise<Listening> {
  let answering: Promise<Answering> | null = null
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    answering ??= import('./server.ts').then(({ answerConnections }) =>
      answerConnections(inside, way),
    )
    void pass(socket, answering, inside)
  })
  server.maxConnections = CONNECTIONS
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject).listen(place, resolve)
  await promise
  server.off('error', reject).on('error', (error) => tell(inside, error))
  return {
    server,
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      await (await answering)?.end()
      await closed
    },
  }
}

async function pass(socket: Socket, answering: Promise<Answering>, inside: Inside): Promise<void> {
  // Who goes away while the rest is loaded is no failure.
  const ignore = () => {}
  socket.on('error', ignore)
  try {
    const { take } = await answering
    socket.off('error', ignore)
    take(socket)
  } catch (error) {
    socket.destroy()
    tell(inside, error)
  }
}

function tell(inside: Inside, error: unknown): void {
  inside.world().report({
    event: 'pass.failed',
    level: 'error',
    message: 'a connection could not be answered',
    error: reportOf(error),
  })
}
