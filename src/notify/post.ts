import type { Section } from '../core/section.ts'
import { ConfigError } from '../lib/errors.ts'
import { formatDuration } from '../lib/time.ts'
import { NotifyFailed } from './channel.ts'

/** How long the other side may take to answer, in milliseconds. */
export const ANSWER_LIMIT = 10_000

/** What goes to the other side. */
export interface Post {
  readonly address: URL
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
  /** Milliseconds for the whole exchange. */
  readonly limit: number
}

/**
 * Posts, and resolves once the answer was 2xx. Throws `NotifyFailed` otherwise. Redirects are not
 * followed: they would carry the message to a place that nobody declared. Errors name neither the
 * address, which may be a secret itself, nor what the other side wrote.
 */
export async function post(what: Post, signal: AbortSignal): Promise<void> {
  const late = AbortSignal.timeout(what.limit)
  let response: Response
  try {
    response = await fetch(bare(what.address), {
      method: 'POST',
      body: what.body,
      headers: { 'user-agent': 'holdfast', ...credentials(what.address), ...what.headers },
      redirect: 'manual',
      signal: AbortSignal.any([signal, late]),
    })
  } catch (error) {
    signal.throwIfAborted()
    // No cause: those of fetch carry the address.
    if (late.aborted) throw new NotifyFailed(`no answer within ${formatDuration(what.limit)}`)
    throw new NotifyFailed(`could not reach the other side${codeOf(error)}`)
  }
  // What it says is of no use, and may be endless.
  await response.body?.cancel()
  if (response.ok) return
  const redirected = response.status >= 300 && response.status < 400
  throw new NotifyFailed(
    `the other side answered ${response.status}${redirected ? ', and redirects are not followed' : ''}`,
  )
}

/** The address of a channel. Throws `ConfigError` without repeating it. */
export function addressOf(section: Section): URL {
  const address = section.secret('url')?.reveal().trim() ?? ''
  const fault = (message: string) =>
    new ConfigError([{ at: section.path, path: `${section.path}.url`, message, hint: null }])
  if (address === '') throw fault('is missing')
  const parsed = URL.canParse(address) ? new URL(address) : null
  if (parsed && ['http:', 'https:'].includes(parsed.protocol)) return parsed
  throw fault('must be an address that begins with http:// or https://')
}

/** fetch refuses an address with a user and a password in it, and would print it. */
function bare(address: URL): URL {
  const without = new URL(address)
  without.username = ''
  without.password = ''
  return without
}

function credentials({ username, password }: URL): Record<string, string> {
  if (username === '' && password === '') return {}
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { authorization: `Basic ${Buffer.from(pair).toString('base64')}` }
}

function codeOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : null
  const code = cause instanceof Error && 'code' in cause ? cause.code : null
  return typeof code === 'string' && /^[A-Z0-9_]+$/.test(code) ? `: ${code}` : ''
}
