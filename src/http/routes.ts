import type { Inside } from '../daemon/face.ts'
import type { Secret } from '../lib/secret.ts'
import { type Answer, refusal } from './answer.ts'
import * as control from './control.ts'
import { healthz, readyz } from './health.ts'
import { metrics } from './metrics.ts'
import type { Asked } from './request.ts'
import { maySee, refuseCommand, refuseSight } from './trust.ts'

/** A request that came to its route. */
export interface Routed {
  readonly asked: Asked
  readonly inside: Inside
  /** The variable parts of the path, by name. */
  readonly words: Readonly<Record<string, string>>
  /** Whether details may be told. */
  readonly sees: boolean
}

interface Route {
  readonly method: 'GET' | 'POST'
  /** `{name}` stands for one part. */
  readonly path: string
  readonly refuses: (asked: Asked, token: Secret | null) => Answer | null
  readonly answer: (routed: Routed) => Answer | Promise<Answer>
}

const ROUTES: readonly Route[] = [
  { method: 'GET', path: '/healthz', refuses: () => null, answer: healthz },
  { method: 'GET', path: '/readyz', refuses: () => null, answer: readyz },
  { method: 'GET', path: '/metrics', refuses: refuseSight, answer: metrics },
  ...(
    [
      ['/api/v1/system/drain', control.drain],
      ['/api/v1/system/undrain', control.undrain],
      ['/api/v1/pause', control.pause],
      ['/api/v1/resume', control.resume],
      ['/api/v1/jobs/{id}/pause', control.pause],
      ['/api/v1/jobs/{id}/resume', control.resume],
    ] as const
  ).map(([path, answer]) => ({ method: 'POST', path, refuses: refuseCommand, answer }) as const),
]

/** Answers one request. Throws what its route throws. */
export async function route(asked: Asked, inside: Inside): Promise<Answer> {
  const method = asked.method === 'HEAD' ? 'GET' : asked.method
  const fitting = ROUTES.flatMap((one) => {
    const words = wordsOf(one.path, asked.path)
    return words === null ? [] : [{ ...one, words }]
  })
  if (fitting.length === 0) return notFound(asked)
  const found = fitting.find((one) => one.method === method)
  if (found === undefined) return notAllowed(asked, fitting)
  const token = inside.world().desired.http?.token ?? null
  const refused = found.refuses(asked, token)
  if (refused !== null) return refused
  return await found.answer({ asked, inside, words: found.words, sees: maySee(asked, token) })
}

/** The variable parts of a path of that shape, or null when it has another. */
function wordsOf(shape: string, path: string): Readonly<Record<string, string>> | null {
  const [wanted, given] = [shape.split('/'), path.split('/')]
  if (wanted.length !== given.length) return null
  const words: Record<string, string> = {}
  for (const [index, part] of wanted.entries()) {
    const word = given[index] ?? ''
    const [, name] = /^\{(.+)\}$/.exec(part) ?? []
    if (name === undefined && part !== word) return null
    const plain = name === undefined ? null : decoded(word)
    if (name !== undefined && !plain) return null
    if (name !== undefined && plain) words[name] = plain
  }
  return words
}

function decoded(word: string): string | null {
  try {
    return decodeURIComponent(word)
  } catch {
    return null
  }
}

function notFound({ path }: Asked): Answer {
  const paths = ROUTES.map((one) => one.path).join(' ')
  return refusal(404, {
    code: 'not_found',
    message: `there is no ${path}`,
    hint: `there are: ${paths}`,
  })
}

function notAllowed({ method, path }: Asked, fitting: readonly Route[]): Answer {
  const allowed = fitting.flatMap((one) => (one.method === 'GET' ? ['GET', 'HEAD'] : ['POST']))
  const answer = refusal(405, {
    code: 'method_not_allowed',
    message: `${path} takes no ${method}`,
    hint: `it takes: ${allowed.join(' ')}`,
  })
  return { ...answer, headers: { ...answer.headers, allow: allowed.join(', ') } }
}
