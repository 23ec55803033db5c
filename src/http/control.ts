import type { JobId, Millis } from '../core/model.ts'
import { Failure } from '../lib/errors.ts'
import { iso, parseDuration } from '../lib/time.ts'
import { type Answer, json, NO_CONTENT } from './answer.ts'
import type { Routed } from './routes.ts'

/** Answers once nothing runs: 204, or 200 with `handedOver` when what ran had to be cut short. */
export async function drain({ asked, inside }: Routed): Promise<Answer> {
  const { timeout } = await asked.body()
  const limit = timeout === undefined ? inside.world().desired.drainTimeout : millisOf(timeout)
  const how = await inside.control.drain(limit)
  return how === 'drained' ? NO_CONTENT : json(200, { handedOver: true })
}

export async function undrain({ inside }: Routed): Promise<Answer> {
  await inside.control.undrain()
  return NO_CONTENT
}

/** Of the job that the path names, else of everything. */
export async function pause({ asked, inside, words }: Routed): Promise<Answer> {
  const { reason, author } = await asked.body()
  const { at, ...paused } = await inside.control.pause(
    subjectOf(words),
    textOf(reason, 'reason'),
    textOf(author, 'author'),
  )
  return json(200, { ...paused, at: iso(at) })
}

export async function resume({ inside, words }: Routed): Promise<Answer> {
  await inside.control.resume(subjectOf(words))
  return NO_CONTENT
}

function subjectOf({ id }: Routed['words']): JobId | '*' {
  return id === undefined ? '*' : (id as JobId)
}

function textOf(value: unknown, name: string): string {
  if (typeof value === 'string' && value.trim() !== '') return value
  throw new Failure('bad_request', `${name} must say something`)
}

function millisOf(timeout: unknown): Millis {
  const millis = typeof timeout === 'string' ? parseDuration(timeout) : null
  if (millis !== null) return millis
  throw new Failure('bad_request', 'timeout must be a duration such as 10m')
}
