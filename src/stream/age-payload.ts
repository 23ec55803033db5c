import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto'
import { ArchiveDamaged } from '../lib/errors.ts'
import { type Stage, slicer } from './pieces.ts'

const CIPHER = 'chacha20-poly1305'
const CHUNK = 64 * 1024
const TAG = 16
/** The payload begins with the salt of its key. */
const SALT = 16

/**
 * The payload of an age v1 file, from its salt on: chunks of 64 KiB by ChaCha20-Poly1305. The
 * library's own way takes five times as long.
 */
export function payloadEncryptor(fileKey: Uint8Array, emit: (bytes: Uint8Array) => void): Stage {
  const salt = randomBytes(SALT)
  const key = payloadKey(fileKey, salt)
  const nonce = counter()
  emit(salt)
  return slicer(CHUNK, (piece, place) => {
    const cipher = createCipheriv(CIPHER, key, nonce.next(place), { authTagLength: TAG })
    emit(cipher.update(piece))
    cipher.final()
    emit(cipher.getAuthTag())
  })
}

/**
 * The reverse. Emits what is authenticated and nothing else; `push` and `end` throw `ArchiveDamaged`
 * for bytes that were changed, cut off, reordered or added.
 */
export function payloadDecryptor(fileKey: Uint8Array, emit: (bytes: Uint8Array) => void): Stage {
  const nonce = counter()
  let salt: Buffer = Buffer.alloc(0)
  let key: KeyObject | null = null
  const chunks = slicer(CHUNK + TAG, (piece, place) => {
    if (key === null) throw damaged('ends within its header')
    emit(opened(piece, key, nonce.next(place)))
    if (place === 'last' && piece.length === TAG && nonce.used() > 1) {
      throw damaged('ends with an empty chunk')
    }
  })
  return {
    push(chunk) {
      if (key !== null) return chunks.push(chunk)
      const missing = SALT - salt.length
      salt = Buffer.concat([salt, chunk.subarray(0, missing)])
      if (salt.length < SALT) return
      key = payloadKey(fileKey, salt)
      chunks.push(chunk.subarray(missing))
    },
    end: chunks.end,
  }
}

function opened(piece: Uint8Array, key: KeyObject, nonce: Uint8Array): Uint8Array {
  const size = piece.length - TAG
  if (size < 0) throw damaged('is cut off')
  const cipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG })
  cipher.setAuthTag(piece.subarray(size))
  const plain = cipher.update(piece.subarray(0, size))
  try {
    cipher.final()
  } catch (cause) {
    throw damaged('was changed or cut off after it was written', cause)
  }
  return plain
}

/** As an object, because one in bytes is looked through again for each chunk. */
function payloadKey(fileKey: Uint8Array, salt: Uint8Array): KeyObject {
  return createSecretKey(Buffer.from(hkdfSync('sha256', fileKey, salt, 'payload', 32)))
}

/** Nonces: 11 bytes that count chunks, big-endian, and one that marks the last. */
function counter() {
  const nonce = Buffer.alloc(12)
  let used = 0
  return {
    used: () => used,
    next(place: 'inner' | 'last'): Uint8Array {
      // 6 bytes count to 2^48 chunks, which is 2^64 bytes: the other five stay zero.
      nonce.writeUIntBE(used, 5, 6)
      nonce[11] = place === 'last' ? 1 : 0
      used++
      return nonce
    },
  }
}

function damaged(how: string, cause?: unknown): ArchiveDamaged {
  return new ArchiveDamaged(`the encrypted archive ${how}`, { cause })
}
