import { randomBytes } from 'node:crypto'
import { isCryptrId } from '../core/cryptr-keys.ts'
import type { Instant } from '../core/model.ts'
import { Refused } from '../lib/errors.ts'
import { Secret } from '../lib/secret.ts'
import { iso } from '../lib/time.ts'

/** A key that nobody has seen yet. */
export interface NewKey {
  readonly scheme: 'age' | 'cryptr'
  /** What may be told: the recipient of age, or the id of cryptr. */
  readonly id: string
  /** The text of its file, without the last line break. */
  readonly text: Secret
}

/** An X25519 identity in the words of `age-keygen`. */
export async function newAgeKey(now: Instant): Promise<NewKey> {
  const { generateX25519Identity, identityToRecipient } = await import('age-encryption')
  const identity = await generateX25519Identity()
  const recipient = await identityToRecipient(identity)
  const created = `${iso(now).slice(0, 19)}Z`
  const lines = [`# created: ${created}`, `# public key: ${recipient}`, identity]
  return { scheme: 'age', id: recipient, text: new Secret(lines.join('\n')) }
}

/** A line of `ENC_KEYS`. Throws `Refused` for an id that cryptr does not take. */
export function newCryptrKey(id: string = randomBytes(4).toString('hex')): NewKey {
  if (!isCryptrId(id)) {
    throw new Refused('the id of a key has to be 2 to 20 of a-z A-Z 0-9 : _ -')
  }
  const key = randomBytes(32).toString('base64')
  return { scheme: 'cryptr', id, text: new Secret(`${id}/${key}`) }
}
