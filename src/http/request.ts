import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { Failure } from '../lib/errors.ts'

/** A request as the routes see it. */
export interface Asked {
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly headers: IncomingMessage['headers']
  /** By which way it came; `here` is this machine itself, with nothing in between. */
  readonly from: 'socket' | 'here' | 'afar'
  /** The JSON object of its body; an empty body is an empty one. Throws `Failure`. */
  body(): Promise<Readonly<Record<string, unknown>>>
}

/** More than any of our requests needs. */
const LARGEST_BODY = 16 * 1024

/** Reads the head of a request that came to the socket or over TCP. */
export function askedOf(request: IncomingMessage, way: 'socket' | 'tcp'): Asked {
  const { method = 'GET', url = '/', headers } = request
  const [path = '/'] = url.split('?')
  const from = way === 'socket' ? 'socket' : isFromHere(request) ? 'here' : 'afar'
  return { method, path, headers, from, body: () => readBody(request) }
}

/** What a proxy of this machine passes on comes from anywhere; so does what a page makes a browser ask. */
function isFromHere({ socket, headers }: IncomingMessage): boolean {
  const passedOn = ['forwarded', 'via', 'x-forwarded-for', 'x-real-ip'].some((one) => headers[one])
  return isLoopback(socket.remoteAddress ?? '') && !passedOn && namesHere(headers.host ?? '')
}

/** A name that is not this machine's own may lead here only by a trick with its DNS. */
function namesHere(host: string): boolean {
  const name = host.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
  return name === '' || name.toLowerCase() === 'localhost' || isLoopback(name)
}

function isLoopback(address: string): boolean {
  const plain = address.replace(/^::ffff:/i, '')
  return plain === '::1' || (isIP(plain) === 4 && plain.startsWith('127.'))
}

async function readBody(request: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  const text = await textOf(request)
  if (text.trim() === '') return {}
  const value = parse(text)
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Readonly<Record<string, unknown>>
  }
  throw new Failure('bad_request', 'the body is not a JSON object')
}

/** Left to flow to its end when it is too long: to break it off would break off the answer too. */
function textOf(request: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = []
    let bytes = 0
    request.on('data', (chunk: Uint8Array) => {
      bytes += chunk.byteLength
      if (bytes <= LARGEST_BODY) chunks.push(chunk)
      else reject(new Failure('body_too_large', 'the body is larger than 16 KiB'))
    })
    request.on('end', () => resolve(Buffer.concat(chunks).toString()))
    request.on('error', reject).on('close', () => reject(new Failure('bad_request', 'cut short')))
  })
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
