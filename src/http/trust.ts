import { createHash, timingSafeEqual } from 'node:crypto'
import type { Secret } from '../lib/secret.ts'
import { type Answer, refusal } from './answer.ts'
import type { Asked } from './request.ts'

/** Whether details may be shown: by the socket, on this machine, or to who has the token. */
export function maySee(asked: Asked, token: Secret | null): boolean {
  return asked.from !== 'afar' || holdsToken(asked, token)
}

/** Why who asks may not see, or null. */
export function refuseSight(asked: Asked, token: Secret | null): Answer | null {
  return maySee(asked, token) ? null : refuse(token)
}

/**
 * Why who asks may not change anything, or null. Any program on a machine, and any page that its
 * browser shows, can reach the loopback address: over TCP the token is needed always.
 */
export function refuseCommand(asked: Asked, token: Secret | null): Answer | null {
  return asked.from === 'socket' || holdsToken(asked, token) ? null : refuse(token)
}

function refuse(token: Secret | null): Answer {
  if (token === null) {
    return refusal(403, {
      code: 'token_unset',
      message: 'this needs a token, and none is configured',
      hint: 'set http.token_file in the config, or use holdfast.sock in data_dir',
    })
  }
  const answer = refusal(401, {
    code: 'token_needed',
    message: 'this needs the token of the config',
    hint: 'send it as: Authorization: Bearer …',
  })
  return { ...answer, headers: { ...answer.headers, 'www-authenticate': 'Bearer' } }
}

/** Compared by hashes: how long it takes tells nothing of how much of it was right. */
function holdsToken({ headers }: Asked, token: Secret | null): boolean {
  const given = /^Bearer +(.+)$/i.exec(headers.authorization ?? '')?.[1]
  if (given === undefined || token === null) return false
  return timingSafeEqual(sha256(given.trim()), sha256(token.reveal()))
}

function sha256(text: string): Uint8Array {
  return createHash('sha256').update(text).digest()
}
