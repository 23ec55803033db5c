import type { Decrypter, Encrypter } from 'age-encryption'
import { messageOf } from '../lib/errors.ts'

/** Header of a new age file, and the key that it closes. */
export interface Header {
  readonly header: Uint8Array
  readonly fileKey: Uint8Array
}

/** An empty age file after its header: 16 bytes of salt, and an empty chunk, which is a tag of 16. */
const EMPTY_PAYLOAD = 32

/** The header of the next file of an encrypter that has its passphrase or its recipients. */
export async function emptyFileHeader(encrypter: Encrypter): Promise<Uint8Array> {
  // Asked for as a stream: a whole file would pass through a Response, and load all of Node's HTTP.
  const parts: Uint8Array[] = []
  for await (const part of await encrypter.encrypt(nothing())) parts.push(part)
  const file = Buffer.concat(parts)
  return file.subarray(0, file.length - EMPTY_PAYLOAD)
}

function nothing(): ReadableStream<Uint8Array> {
  return new ReadableStream({ start: (controller) => controller.close() })
}

/** A header with a fresh file key, made by an encrypter that has its recipients. */
export async function headerByRecipients(encrypter: Encrypter): Promise<Header> {
  let fileKey: Uint8Array = new Uint8Array()
  encrypter.addRecipient({
    wrapFileKey(key) {
      fileKey = key.slice()
      return []
    },
  })
  const header = await emptyFileHeader(encrypter)
  return { header, fileKey }
}

/** The file key of a header, or null when none of the decrypter's keys fits. Throws when it is broken. */
export async function fileKeyOf(
  header: Uint8Array,
  decrypter: Decrypter,
): Promise<Uint8Array | null> {
  try {
    return await decrypter.decryptHeader(header)
  } catch (cause) {
    if (messageOf(cause).startsWith('no identity matched')) return null
    throw cause
  }
}
