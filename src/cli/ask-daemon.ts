import { request as overHttp } from 'node:http'
import { request as overHttps } from 'node:https'
import { join } from 'node:path'
import { Failure, messageOf, Refused } from '../lib/errors.ts'
import type { Context } from './context.ts'

/** What a daemon is asked. */
export interface Question {
  readonly path: string
  /** Null: nothing is sent, and nothing is asked for but an answer. */
  readonly body: Readonly<Record<string, unknown>> | null
}

/** What it answered: a JSON object, empty when there was nothing to say. */
export interface Reply {
  readonly kind: 'answered'
  readonly document: Readonly<Record<string, unknown>>
}

/** Nobody is there to be asked. */
export interface Nobody {
  readonly kind: 'nobody'
  readonly at: string
  readonly why: string
}

/**
 * Asks the daemon at HOLDFAST_URL, with HOLDFAST_TOKEN, else the one of the data_dir by its socket.
 * Throws `Failure` with the daemon's own words when it refuses.
 */
export async function askDaemon(
  question: Question,
  dataDir: () => Promise<string>,
  { env, interrupted }: Context,
): Promise<Reply | Nobody> {
  const url = env.HOLDFAST_URL
  const place = url ? remote(url, env.HOLDFAST_TOKEN) : local(await dataDir())
  try {
    const { status, text } = await post(place, question, interrupted)
    return { kind: 'answered', document: documentOf(status, text, place.at) }
  } catch (error) {
    interrupted.throwIfAborted()
    if (error instanceof Failure) throw error
    return { kind: 'nobody', at: place.at, why: messageOf(error) }
  }
}

/** A daemon must be there; throws `Failure` with code `daemon_unreachable` when none is. */
export async function askRunning(
  question: Question,
  dataDir: () => Promise<string>,
  context: Context,
): Promise<Reply> {
  const reply = await askDaemon(question, dataDir, context)
  if (reply.kind === 'answered') return reply
  throw unreachable(reply)
}

export function unreachable({ at, why }: Nobody): Failure {
  return new Failure('daemon_unreachable', `no daemon answers at ${at}: ${why}`, {
    at,
    hint: 'start one with: holdfast daemon; or name one elsewhere by HOLDFAST_URL and HOLDFAST_TOKEN',
  })
}

interface Place {
  /** To name it by; without a password. */
  readonly at: string
  readonly options: { readonly socketPath: string } | { readonly url: URL; readonly token: string }
}

function local(dataDir: string): Place {
  const socketPath = join(dataDir, 'holdfast.sock')
  return { at: socketPath, options: { socketPath } }
}

function remote(written: string, token = ''): Place {
  const url = URL.parse(written)
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new Refused('HOLDFAST_URL is no address that begins with http:// or https://')
  }
  return { at: url.origin, options: { url, token } }
}

/** Waits as long as the daemon needs: a drain takes its time. */
async function post(
  { options }: Place,
  { path, body }: Question,
  signal: AbortSignal,
): Promise<{ readonly status: number; readonly text: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>()
  const method = body === null ? 'GET' : 'POST'
  const common = { method, signal, headers: { 'content-type': 'application/json' } }
  const asking =
    'socketPath' in options
      ? overHttp({ ...common, ...options, path, host: 'localhost' })
      : requestTo(options, path, common)
  asking.on('error', reject).on('response', (response) => {
    let text = ''
    response.setEncoding('utf8').on('data', (part) => (text += part))
    response
      .on('error', reject)
      .on('end', () => resolve({ status: response.statusCode ?? 0, text }))
  })
  asking.end(body === null ? '' : JSON.stringify(body))
  return await promise
}

function requestTo(
  { url, token }: { readonly url: URL; readonly token: string },
  path: string,
  common: { readonly headers: Readonly<Record<string, string>> },
) {
  const headers =
    token === '' ? common.headers : { ...common.headers, authorization: `Bearer ${token}` }
  const folder = url.pathname.replace(/\/$/, '')
  const request = url.protocol === 'https:' ? overHttps : overHttp
  return request(new URL(`${folder}${path}`, url), { ...common, headers })
}

/** The daemon's document; its error is ours. */
function documentOf(status: number, text: string, at: string): Reply['document'] {
  const document = parsed(text)
  if (status >= 200 && status < 300) return document
  const { error, status: told } = document as {
    error?: { code?: string; message?: string; hint?: string | null }
    status?: unknown
  }
  if (error?.code === undefined || error.message === undefined) {
    const what = typeof told === 'string' ? `: ${told}` : ', and not as a daemon does'
    throw new Failure('daemon_unreachable', `${at} answered ${status}${what}`)
  }
  throw new Failure(error.code, error.message, error.hint ? { hint: error.hint } : {})
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {}
  }
}
