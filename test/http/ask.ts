import { type IncomingHttpHeaders, request } from 'node:http'
import type { Daemon } from '../support/daemon.ts'
import type { Document } from '../support/holdfast.ts'

/** What was answered. */
export interface Answered {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  /** Of a JSON body. */
  readonly document: Document
}

export interface Asking {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: object
}

/** A path of a socket, or `http://host:port`. */
export async function ask(place: string, path: string, asking: Asking = {}): Promise<Answered> {
  const { method = 'GET', headers = {}, body } = asking
  const where = place.startsWith('/') ? { socketPath: place, host: 'localhost' } : hostOf(place)
  const { promise, resolve, reject } = Promise.withResolvers<Answered>()
  const asked = request({ ...where, path, method, headers, agent: false }, (response) => {
    let text = ''
    response.setEncoding('utf8').on('data', (part) => (text += part))
    response.on('error', reject).on('end', () => {
      const { statusCode: status = 0, headers: own } = response
      resolve({ status, headers: own, text, document: documentIn(text) })
    })
  })
  asked.on('error', reject).end(body === undefined ? undefined : JSON.stringify(body))
  return await promise
}

function hostOf(place: string) {
  const { hostname, port } = new URL(place)
  return { host: hostname, port }
}

function documentIn(text: string): Document {
  return text.startsWith('{') ? JSON.parse(text) : null
}

/** The address that a daemon says it listens on. */
export async function addressOf(daemon: Daemon): Promise<string> {
  const { address } = await daemon.until('http.listening')
  return `http://${address}`
}

/** Every sample of a metric by its labels, as `a=1 b=2`; one without labels has ''. */
export function samplesOf(text: string, name: string): Readonly<Record<string, number>> {
  const found: Record<string, number> = {}
  for (const [, labels = '', value] of text.matchAll(
    new RegExp(`^holdfast_${name}(?:\\{(.*)\\})? (\\S+)$`, 'gm'),
  )) {
    found[labels.replaceAll('"', '').replaceAll(',', ' ')] = Number(value)
  }
  return found
}
