import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

/** What arrived at the other side. */
export interface Received {
  readonly method: string
  /** Path and query. */
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** A real HTTP server that keeps what it is sent and answers as told; by default 200. */
export interface Receiver extends AsyncDisposable {
  readonly origin: string
  readonly received: Received[]
  /** Answers to come, in order; `hang` never answers. */
  readonly answers: (number | 'hang' | ((response: ServerResponse) => void))[]
}

/** Listens on this machine, on a free port unless one is named. */
export async function openReceiver(port = 0): Promise<Receiver> {
  const received: Received[] = []
  const answers: Receiver['answers'] = []
  const server = createServer(async (request, response) => {
    const { method = '', url = '', headers } = request
    received.push({ method, path: url, headers, body: await text(request) })
    const answer = answers.shift() ?? 200
    if (answer === 'hang') return
    if (typeof answer === 'function') answer(response)
    else response.writeHead(answer).end('ok')
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    answers,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
