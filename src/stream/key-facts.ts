import { createHash } from 'node:crypto'
import type { Encryption } from '../core/model.ts'
import { type Identity, type KeyWarning, loadIdentityFiles } from './keys.ts'

/** What may be told of a key. */
export interface KeyFacts {
  readonly scheme: Encryption['scheme']
  /** The recipient of age, the id of cryptr, or the file of a passphrase. */
  readonly id: string
  /** 16 hex digits of a sha256: of the recipient's text, or of the 32 bytes. Null for a passphrase. */
  readonly fingerprint: string | null
  /** Whether archives that it closed can be opened here. */
  readonly opens: boolean
  /** Whether new archives are closed with it. */
  readonly closes: boolean
}

export interface ToldKeys {
  readonly keys: readonly KeyFacts[]
  readonly warnings: readonly KeyWarning[]
}

/**
 * Every key that these blocks name, and what it is good for. Throws as `loadIdentities` does. Of a
 * passphrase no fingerprint is made: from a hash that is published, a weak one can be guessed.
 */
export async function keyFacts(encryptions: readonly (Encryption | null)[]): Promise<ToldKeys> {
  const { identities, warnings } = await loadIdentityFiles(encryptions)
  const closing = new Set(encryptions.flatMap(closers))
  const opening = await Promise.all(identities.map((one) => factsOf(one, closing)))
  const known = new Set(opening.map(({ id }) => id))
  const elsewhere = [...closing]
    .filter((id) => id.startsWith('age1') && !known.has(id))
    .map((id) => {
      const fingerprint = short(id)
      return { scheme: 'age', id, fingerprint, opens: false, closes: true } as const
    })
  return { keys: [...opening, ...elsewhere], warnings }
}

/** The recipient of an identity of age. */
export async function recipientOf(identity: Identity): Promise<string> {
  const { identityToRecipient } = await import('age-encryption')
  return await identityToRecipient(identity.secret.reveal())
}

async function factsOf(identity: Identity, closing: ReadonlySet<string>): Promise<KeyFacts> {
  switch (identity.kind) {
    case 'passphrase': {
      const { file: id } = identity
      return { scheme: 'age', id, fingerprint: null, opens: true, closes: closing.has(id) }
    }
    case 'identity': {
      const id = await recipientOf(identity)
      return { scheme: 'age', id, fingerprint: short(id), opens: true, closes: closing.has(id) }
    }
    case 'cryptr': {
      const { id, secret } = identity
      const fingerprint = short(Buffer.from(secret.reveal(), 'base64'))
      const closes = closing.has(`${id}/${secret.reveal()}`)
      return { scheme: 'cryptr', id, fingerprint, opens: true, closes }
    }
  }
}

/** What a block closes with: recipients, the passphrase's file, or the line of the active key. */
function closers(block: Encryption | null): readonly string[] {
  if (block === null) return []
  if (block.scheme === 'age') {
    return block.passphraseFile === null ? block.recipients : [block.passphraseFile]
  }
  const active = block.keys.find(({ id }) => id === block.active)
  return active ? [`${active.id}/${active.key.reveal()}`] : []
}

function short(bytes: string | Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 16)
}
