import type { CryptrKey } from '../../src/core/model.ts'
import { ageEncryptor } from '../../src/stream/age.ts'
import { cryptrEncryptor } from '../../src/stream/cryptr.ts'
import type { AgeSealing } from '../../src/stream/keys.ts'
import type { Stage } from '../../src/stream/pieces.ts'

type Transform = (input: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>
type Emit = (bytes: Uint8Array) => void

/** What flows through becomes an age v1 file, as `age -r` or `age -p` makes it. */
export function ageEncrypt(keys: AgeSealing, signal: AbortSignal): Transform {
  return through((emit) => ageEncryptor(keys, emit, signal))
}

/** What flows through becomes a stream of cryptr V1, as Hiqlite pushes it to S3. */
export function cryptrEncrypt(key: CryptrKey, prefix?: Uint8Array): Transform {
  return through(async (emit) => cryptrEncryptor(key, emit, prefix))
}

function through(begin: (emit: Emit) => Promise<Stage>): Transform {
  return async function* transform(input) {
    const ready: Uint8Array[] = []
    const stage = await begin((bytes) => ready.push(bytes))
    for await (const chunk of input) {
      stage.push(chunk)
      yield* ready.splice(0)
    }
    stage.end()
    yield* ready.splice(0)
  }
}
