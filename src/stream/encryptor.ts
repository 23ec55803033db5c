import { ageEncryptor } from './age.ts'
import { cryptrEncryptor } from './cryptr.ts'
import type { SealingKeys } from './keys.ts'
import type { Stage } from './pieces.ts'

/** The layer that these keys make, as a step of a stream. Call `end`, or the archive stays cut off. */
export async function encryptor(
  keys: SealingKeys,
  emit: (bytes: Uint8Array) => void,
  signal: AbortSignal,
): Promise<Stage> {
  return keys.kind === 'cryptr'
    ? cryptrEncryptor(keys.key, emit)
    : await ageEncryptor(keys, emit, signal)
}
