import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import type { CryptrKey } from '../core/model.ts'
import { ArchiveDamaged, CannotDecrypt, NotAvailable } from '../lib/errors.ts'
import type { Secret } from '../lib/secret.ts'
import { type CryptrHeader, encodeHeader, headerSize, readHeader } from './cryptr-header.ts'
import type { Identity } from './keys.ts'
import { giveBack, type Stage } from './pieces.ts'
import { chunkOpener, chunkSealer, type Place } from './sealed-chunks.ts'

type Transform = (input: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>

/** Hiqlite writes no other size. */
const CHUNK = 128 * 1024
const PREFIX = 7
/** The counter of a nonce may not reach this: 512 TiB of chunks. */
const LAST_COUNT = 0xff_ff_ff_ff

/**
 * A stream of cryptr as a step: emits the header at once. Call `end`, or it stays cut off. `prefix`
 * is random unless a test vector tells it; under one key no two streams may have the same.
 */
export function cryptrEncryptor(
  { id, key }: CryptrKey,
  emit: (bytes: Uint8Array) => void,
  prefix: Uint8Array = randomBytes(PREFIX),
): Stage {
  emit(encodeHeader({ id, chunk: CHUNK, prefix }))
  return chunkSealer({ size: CHUNK, nonce: cryptrNonces(prefix) }, keyObject(key), emit)
}

/**
 * Decrypts a stream of cryptr that flows through. Gives only what is authenticated, and ends
 * normally only after the last chunk was: what it gave before stands for nothing until then. The
 * chunks of the input are its own to free. Throws `CannotDecrypt` for a key that is not among the
 * identities, `ArchiveDamaged` for a stream that is none or was changed, cut off, reordered or added
 * to, and whatever the input throws.
 */
export function cryptrDecrypt(identities: readonly Identity[], signal: AbortSignal): Transform {
  return async function* decrypt(input) {
    const ready: Uint8Array[] = []
    let head: Buffer = Buffer.alloc(0)
    let chunks: Stage | null = null
    for await (const chunk of input) {
      signal.throwIfAborted()
      if (chunks) {
        chunks.push(chunk)
        giveBack(chunk)
      } else {
        head = Buffer.concat([head, chunk])
        const header = readHeader(head)
        if (header === null) continue
        const chunking = { size: header.chunk, nonce: cryptrNonces(header.prefix), hint: HINT }
        chunks = chunkOpener(chunking, keysFor(header, identities), (bytes) => ready.push(bytes))
        chunks.push(head.subarray(headerSize(header.id)))
      }
      yield* ready.splice(0)
    }
    if (!chunks) throw new ArchiveDamaged('the encrypted archive ends within its header')
    chunks.end()
    yield* ready.splice(0)
  }
}

const HINT = 'it may also be that the configured key is not the one that had this id then'

/** Keys of that id: two programs may use one id each for a key of their own. */
function keysFor({ id }: CryptrHeader, identities: readonly Identity[]): readonly KeyObject[] {
  const known = identities.filter((one) => one.kind === 'cryptr')
  const fitting = known.filter((one) => one.id === id)
  if (fitting.length > 0) return fitting.map(({ secret }) => keyObject(secret))
  const ids = [...new Set(known.map((one) => one.id))].join(', ')
  const there = ids === '' ? 'no key of cryptr is configured' : `the configured ones are ${ids}`
  throw new CannotDecrypt(`the archive is encrypted with cryptr's key ${id}, and ${there}`, {
    hint: `add the line of ENC_KEYS that begins with ${id}/ to encryption.cryptr.keys`,
  })
}

/** As an object, because one in bytes is looked through again for each chunk. */
function keyObject(key: Secret): KeyObject {
  return createSecretKey(Buffer.from(key.reveal(), 'base64'))
}

/** Nonces: the prefix, 4 bytes that count chunks, big-endian, and one that marks the last. */
export function cryptrNonces(prefix: Uint8Array): (place: Place) => Uint8Array {
  const nonce = Buffer.alloc(12)
  nonce.set(prefix)
  let used = 0
  return (place) => {
    // One more would begin anew: a nonce used twice gives both chunks away.
    if (used === LAST_COUNT) throw new NotAvailable('a stream of cryptr with 2^32 chunks')
    nonce.writeUInt32BE(used, PREFIX)
    nonce[11] = place === 'last' ? 1 : 0
    used++
    return nonce
  }
}
