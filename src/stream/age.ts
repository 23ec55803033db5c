import { ArchiveDamaged } from '../lib/errors.ts'
import { headerLength, makeHeader, openHeader } from './age-header.ts'
import { payloadDecryptor, payloadEncryptor } from './age-payload.ts'
import type { AgeSealing, Identity } from './keys.ts'
import { giveBack, type Stage } from './pieces.ts'

type Transform = (input: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>

/** An age v1 file as a step of a stream: emits the header at once. Call `end`, or it stays cut off. */
export async function ageEncryptor(
  keys: AgeSealing,
  emit: (bytes: Uint8Array) => void,
  signal: AbortSignal,
): Promise<Stage> {
  const { header, fileKey } = await makeHeader(keys, signal)
  emit(header)
  return payloadEncryptor(fileKey, emit)
}

/**
 * Decrypts an age v1 file that flows through. Gives only what is authenticated, and ends normally
 * only after the whole file was. The chunks of the input are its own to free. Throws `CannotDecrypt` when no identity fits, `ArchiveDamaged` for a
 * file that is none or was changed, cut off or added to, and whatever the input throws.
 */
export function ageDecrypt(identities: readonly Identity[], signal: AbortSignal): Transform {
  return async function* decrypt(input) {
    const ready: Uint8Array[] = []
    let head: Buffer = Buffer.alloc(0)
    let payload: Stage | null = null
    for await (const chunk of input) {
      if (payload) {
        payload.push(chunk)
        giveBack(chunk)
      } else {
        head = Buffer.concat([head, chunk])
        const length = headerLength(head)
        if (length === null) continue
        const fileKey = await openHeader(head.subarray(0, length), identities, signal)
        payload = payloadDecryptor(fileKey, (bytes) => ready.push(bytes))
        payload.push(head.subarray(length))
      }
      yield* ready.splice(0)
    }
    if (!payload) throw new ArchiveDamaged('the encrypted archive ends within its header')
    payload.end()
    yield* ready.splice(0)
  }
}
