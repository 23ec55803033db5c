import type { ServerResponse } from 'node:http'
import { type ErrorReport, Failure, reportOf } from '../lib/errors.ts'

/** What a route gives back. */
export interface Answer {
  readonly status: number
  /** Null: an answer without a body. */
  readonly body: string | null
  readonly headers?: Readonly<Record<string, string>>
}

/** A JSON document, as an answer. */
export function json(status: number, document: unknown): Answer {
  return {
    status,
    body: `${JSON.stringify(document)}\n`,
    headers: { 'content-type': 'application/json; charset=utf-8' },
  }
}

/** Done, and nothing to say of it. */
export const NO_CONTENT: Answer = { status: 204, body: null }

/** An error in the form of the command line's JSON. */
export function refusal(status: number, error: Omit<ErrorReport, 'at'>): Answer {
  return json(status, { error: { ...error, at: null } })
}

/** What a person asked for wrongly; everything else is our own fault. */
const STATUS: Readonly<Record<string, number>> = {
  bad_request: 400,
  job_unknown: 404,
  body_too_large: 413,
  state_refused: 503,
}

/** A thrown thing as an answer; never a stack, nor what only a programmer understands. */
export function answerOf(error: unknown): Answer {
  const known = error instanceof Failure
  const { code, message, hint } = reportOf(error)
  return refusal(STATUS[code] ?? 500, {
    code,
    message: known ? message : 'something went wrong inside; the log may tell more',
    hint,
  })
}

/** Sends an answer; to `HEAD` without its body. */
export function send(response: ServerResponse, answer: Answer, method: string): void {
  const { status, body, headers } = answer
  response.writeHead(status, {
    ...headers,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(body === null ? {} : { 'content-length': Buffer.byteLength(body) }),
  })
  response.end(body === null || method === 'HEAD' ? undefined : body)
}
