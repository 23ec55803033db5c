import { createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto'
import { ArchiveDamaged } from '../lib/errors.ts'
import { type Stage, slicer } from './pieces.ts'

const CIPHER = 'chacha20-poly1305'
/** What each chunk grows by. */
export const TAG = 16

/** Whether another chunk follows; the last one is marked in its nonce, so that a cut is seen. */
export type Place = 'inner' | 'last'

/**
 * A stream in chunks by ChaCha20-Poly1305, as age and cryptr have it. One thread does it, chunk by
 * chunk: half a GB/s and more with all that is around it (bench/ciphers.ts), beside a compressor in
 * a process of its own that makes less.
 */
export interface Chunking {
  /** Of a chunk's plain bytes. */
  readonly size: number
  /** The nonce of the next chunk; good until the next is asked for. */
  readonly nonce: (place: Place) => Uint8Array
  /** What to try when not even the first chunk opens. */
  readonly hint?: string
}

/** Seals what is pushed, chunk by chunk. */
export function chunkSealer(
  { size, nonce }: Chunking,
  key: KeyObject,
  emit: (bytes: Uint8Array) => void,
): Stage {
  return slicer(size, (piece, place) => {
    const cipher = createCipheriv(CIPHER, key, nonce(place), { authTagLength: TAG })
    emit(cipher.update(piece))
    cipher.final()
    emit(cipher.getAuthTag())
  })
}

/**
 * The reverse. Emits what is authenticated and nothing else; `push` and `end` throw `ArchiveDamaged`
 * for bytes that were changed, cut off, reordered or added. Of several keys, the first chunk tells
 * which it is.
 */
export function chunkOpener(
  { size, nonce, hint }: Chunking,
  keys: readonly KeyObject[],
  emit: (bytes: Uint8Array) => void,
): Stage {
  let fitting = keys
  let chunks = 0
  return slicer(size + TAG, (piece, place) => {
    const opened = openedByOneOf(fitting, piece, nonce(place))
    if (opened.kind === 'damaged') throw damaged(opened.how, chunks === 0 ? hint : undefined)
    const { plain, key } = opened
    fitting = [key]
    chunks++
    emit(plain)
    // Nobody who read all there was writes one: whatever came before it was cut short.
    if (place === 'last' && piece.length === TAG && chunks > 1) {
      throw damaged('ends with an empty chunk')
    }
  })
}

type Opened =
  | { readonly kind: 'opened'; readonly plain: Uint8Array; readonly key: KeyObject }
  | { readonly kind: 'damaged'; readonly how: string }

function openedByOneOf(keys: readonly KeyObject[], piece: Uint8Array, nonce: Uint8Array): Opened {
  if (piece.length < TAG) return { kind: 'damaged', how: 'is cut off' }
  for (const key of keys) {
    const plain = openedBy(key, piece, nonce)
    if (plain !== null) return { kind: 'opened', plain, key }
  }
  return { kind: 'damaged', how: 'was changed or cut off after it was written' }
}

function openedBy(key: KeyObject, piece: Uint8Array, nonce: Uint8Array): Uint8Array | null {
  const size = piece.length - TAG
  const cipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG })
  cipher.setAuthTag(piece.subarray(size))
  const plain = cipher.update(piece.subarray(0, size))
  try {
    cipher.final()
    return plain
  } catch {
    return null
  }
}

/** The verdict on an encrypted archive that is not as it was written. */
export function damaged(how: string, hint?: string): ArchiveDamaged {
  return new ArchiveDamaged(`the encrypted archive ${how}`, hint === undefined ? {} : { hint })
}
