import { createHash } from 'node:crypto'
import type { Bytes } from '../lib/brand.ts'

/** Size and hex sha256 of some bytes. */
export interface Reading {
  readonly bytes: Bytes
  readonly sha256: string
}

export interface Meter {
  push(chunk: Uint8Array): void
  /** Bytes so far. */
  bytes(): number
  reading(): Reading
}

/** Counts and hashes whatever is pushed into it. */
export function meter(): Meter {
  const hash = createHash('sha256')
  let bytes = 0
  return {
    push(chunk) {
      bytes += chunk.byteLength
      hash.update(chunk)
    },
    bytes: () => bytes,
    reading: () => ({ bytes: bytes as Bytes, sha256: hash.copy().digest('hex') }),
  }
}
