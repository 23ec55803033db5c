import { createSecretKey, hkdfSync, type KeyObject, randomBytes } from 'node:crypto'
import type { Stage } from './pieces.ts'
import { chunkOpener, chunkSealer, damaged, type Place } from './sealed-chunks.ts'

const CHUNK = 64 * 1024
/** The payload begins with the salt of its key. */
const SALT = 16

/**
 * The payload of an age v1 file, from its salt on: chunks of 64 KiB by ChaCha20-Poly1305. The
 * library's own way takes five times as long.
 */
export function payloadEncryptor(fileKey: Uint8Array, emit: (bytes: Uint8Array) => void): Stage {
  const salt = randomBytes(SALT)
  emit(salt)
  return chunkSealer({ size: CHUNK, nonce: counter() }, payloadKey(fileKey, salt), emit)
}

/**
 * The reverse. Emits what is authenticated and nothing else; `push` and `end` throw `ArchiveDamaged`
 * for bytes that were changed, cut off, reordered or added.
 */
export function payloadDecryptor(fileKey: Uint8Array, emit: (bytes: Uint8Array) => void): Stage {
  let salt: Buffer = Buffer.alloc(0)
  let chunks: Stage | null = null
  return {
    push(chunk) {
      if (chunks !== null) return chunks.push(chunk)
      const missing = SALT - salt.length
      salt = Buffer.concat([salt, chunk.subarray(0, missing)])
      if (salt.length < SALT) return
      const keys = [payloadKey(fileKey, salt)]
      chunks = chunkOpener({ size: CHUNK, nonce: counter() }, keys, emit)
      chunks.push(chunk.subarray(missing))
    },
    end() {
      if (chunks === null) throw damaged('ends within its header')
      chunks.end()
    },
  }
}

/** As an object, because one in bytes is looked through again for each chunk. */
function payloadKey(fileKey: Uint8Array, salt: Uint8Array): KeyObject {
  return createSecretKey(Buffer.from(hkdfSync('sha256', fileKey, salt, 'payload', 32)))
}

/** Nonces: 11 bytes that count chunks, big-endian, and one that marks the last. */
function counter(): (place: Place) => Uint8Array {
  const nonce = Buffer.alloc(12)
  let used = 0
  return (place) => {
    // 6 bytes count to 2^48 chunks, which is 2^64 bytes: the other five stay zero.
    nonce.writeUIntBE(used, 5, 6)
    nonce[11] = place === 'last' ? 1 : 0
    used++
    return nonce
  }
}
