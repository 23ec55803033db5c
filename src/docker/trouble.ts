import { EngineRefused, EngineUnreachable, messageOf } from '../lib/errors.ts'

/** The failure that an error of the engine's library means. */
export function trouble(label: string, what: string, cause: unknown): Error {
  const status = statusOf(cause)
  if (status === null) return unreachable(label, what, cause)
  const said = saying(cause)
  const hint = hintFor(status, said)
  const options = { cause, at: label, ...(hint === null ? {} : { hint }) }
  return new EngineRefused(status, `cannot ${what}: ${said}`, options)
}

/** Whether the engine said that there is nothing of that name. */
export function isMissing(error: unknown): boolean {
  return error instanceof EngineRefused && error.status === 404
}

function statusOf(cause: unknown): number | null {
  if (!(cause instanceof Error) || !('statusCode' in cause)) return null
  return typeof cause.statusCode === 'number' ? cause.statusCode : null
}

/** The engine's own words, without those of the library around them. */
function saying(cause: unknown): string {
  const json = cause instanceof Error && 'json' in cause ? cause.json : null
  if (typeof json === 'object' && json !== null && 'message' in json) return String(json.message)
  return messageOf(cause)
    .replace(/^\(HTTP code \d+\) .*? - /, '')
    .trim()
}

function hintFor(status: number, said: string): string | null {
  if (status === 404 && /image/i.test(said)) return 'see what is there: docker images'
  if (status === 404) return 'see what is there: docker ps --all; docker volume ls'
  if (status === 409 && /paused/.test(said)) return 'docker unpause it first'
  if (status === 409 && /in use/.test(said))
    return 'see who uses it: docker ps --all --filter volume='
  if (/no space left/i.test(said)) return 'free some space there: docker system df'
  return null
}

/** Why nobody answers, by the code of the socket's error. */
const SILENCE: Readonly<Record<string, readonly [why: string, hint: string]>> = {
  ENOENT: [
    'there is no such socket',
    'start the engine, or set docker.host; in a container, mount it',
  ],
  ECONNREFUSED: ['nobody listens there', 'start the engine: systemctl start docker'],
  EACCES: [
    'permission to use the socket is denied',
    'add the account to the group that owns it: usermod -aG docker USER',
  ],
  ENOTFOUND: ['its host is not known', 'correct docker.host'],
  ECONNRESET: ['it was gone in the middle of the answer', 'see its log: journalctl -u docker'],
}

function unreachable(label: string, what: string, cause: unknown): EngineUnreachable {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  const [why, hint] = SILENCE[code] ?? [messageOf(cause), 'see its log: journalctl -u docker']
  return new EngineUnreachable(`cannot ${what}: the engine at ${label}: ${why}`, {
    cause,
    at: label,
    hint,
  })
}
