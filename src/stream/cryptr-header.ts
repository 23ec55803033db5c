import { isCryptrId } from '../core/cryptr-keys.ts'
import { ArchiveDamaged, CannotDecrypt } from '../lib/errors.ts'

/** Version 1, ChaCha20-Poly1305: what every stream of cryptr begins with. */
const MAGIC = Buffer.from([1, 1])
/** Everything before the id; the header's own length counts it too. */
const FIXED = 6
const SHORTEST_ID = 2
const LONGEST_ID = 20
const PREFIX = 7
const LARGEST_CHUNK = 1024
/** The id of what was made with a password tells the settings of Argon2id: `password$32768$4$4`. */
const PASSWORD = /^password\$[0-9$]+$/

/** What stands before the chunks, in the clear and not authenticated. */
export interface CryptrHeader {
  /** Of the key. */
  readonly id: string
  /** Plain bytes of a chunk. */
  readonly chunk: number
  /** First 7 bytes of each nonce. */
  readonly prefix: Uint8Array
}

/** The header as Hiqlite reads it. */
export function encodeHeader({ id, chunk, prefix }: CryptrHeader): Buffer {
  const fixed = Buffer.alloc(FIXED)
  MAGIC.copy(fixed)
  fixed.writeUInt16BE(FIXED + id.length, 2)
  fixed.writeUInt16BE(chunk / 1024, 4)
  return Buffer.concat([fixed, Buffer.from(id, 'latin1'), prefix])
}

/** Bytes that a header with this id takes. */
export function headerSize(id: string): number {
  return FIXED + id.length + PREFIX
}

/**
 * The header that `head`, the beginning of a file, starts with; null when more is needed. Throws
 * `ArchiveDamaged` when it cannot become one, and `CannotDecrypt` for one made with a password.
 */
export function readHeader(head: Buffer): CryptrHeader | null {
  if (head.length < FIXED) return null
  const { idLength, chunk } = readFixed(head)
  if (chunk === 0) throw new ArchiveDamaged('the archive is a value of cryptr, not a stream')
  if (idLength < SHORTEST_ID || idLength > LONGEST_ID || chunk < 0 || chunk > LARGEST_CHUNK) {
    throw new ArchiveDamaged('the archive is no stream of cryptr')
  }
  if (head.length < FIXED + idLength + PREFIX) return null
  const id = head.toString('latin1', FIXED, FIXED + idLength)
  if (PASSWORD.test(id)) {
    throw new CannotDecrypt('the archive is encrypted with a password of cryptr, not with a key', {
      hint: 'open it with: cryptr decrypt',
    })
  }
  if (!isCryptrId(id)) throw new ArchiveDamaged('the archive names no usable key of cryptr')
  const prefix = head.subarray(FIXED + idLength, FIXED + idLength + PREFIX)
  return { id, chunk: chunk * 1024, prefix: Uint8Array.from(prefix) }
}

/** Whether a file may be a stream of cryptr: its magic is short, so all that can be told has to fit. */
export function beginsAsCryptr(head: Buffer): boolean {
  if (head.length < FIXED) return false
  const { idLength, chunk } = readFixed(head)
  if (idLength < SHORTEST_ID || idLength > LONGEST_ID || chunk < 1 || chunk > LARGEST_CHUNK) {
    return false
  }
  const id = head.toString('latin1', FIXED, FIXED + idLength)
  return id.length === idLength && (isCryptrId(id) || PASSWORD.test(id))
}

/** A chunk size of -1 stands for another magic. */
function readFixed(head: Buffer): { readonly idLength: number; readonly chunk: number } {
  const fits = head.subarray(0, MAGIC.length).equals(MAGIC)
  return { idLength: head.readUInt16BE(2) - FIXED, chunk: fits ? head.readUInt16BE(4) : -1 }
}
