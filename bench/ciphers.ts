/*
 * What encryption costs by itself: `node bench/ciphers.ts`. A GiB from memory in blocks as compressors
 * give them, through each scheme both ways on one thread; medians of five rounds. A second thread
 * would pay where these were slower than what a compressor makes and a target takes: they are not.
 */
import { randomBytes } from 'node:crypto'
import { Secret } from '../src/lib/secret.ts'
import { payloadDecryptor, payloadEncryptor } from '../src/stream/age-payload.ts'
import { cryptrDecrypt, cryptrEncryptor } from '../src/stream/cryptr.ts'
import type { Stage } from '../src/stream/pieces.ts'

const BYTES = 1024 * 1024 * 1024
const BLOCK = 64 * 1024
const ROUNDS = 5

type Transform = (input: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>

const key = { id: 'bench', key: new Secret(randomBytes(32).toString('base64')) }
const fileKey = randomBytes(16)
const never = new AbortController().signal

const SCHEMES: Readonly<Record<string, readonly [close: Transform, open: Transform]>> = {
  age: [
    staged((emit) => payloadEncryptor(fileKey, emit)),
    staged((emit) => payloadDecryptor(fileKey, emit)),
  ],
  cryptr: [
    staged((emit) => cryptrEncryptor(key, emit)),
    cryptrDecrypt([{ kind: 'cryptr', id: key.id, secret: key.key }], never),
  ],
}

function staged(make: (emit: (bytes: Uint8Array) => void) => Stage): Transform {
  return async function* transform(input) {
    const ready: Uint8Array[] = []
    const stage = make((bytes) => ready.push(bytes))
    for await (const chunk of input) {
      stage.push(chunk)
      yield* ready.splice(0)
    }
    stage.end()
    yield* ready.splice(0)
  }
}

async function* blocks(): AsyncGenerator<Uint8Array> {
  const block = randomBytes(BLOCK)
  for (let sent = 0; sent < BYTES; sent += BLOCK) yield Uint8Array.from(block)
}

/** MB/s of closing, and of closing and opening, whose difference is the opening. */
async function measure([close, open]: readonly [Transform, Transform]) {
  const closing = await seconds(close(blocks()))
  const both = await seconds(open(close(blocks())))
  return { closing: rate(closing), opening: rate(both - closing) }
}

async function seconds(body: AsyncIterable<Uint8Array>): Promise<number> {
  const start = performance.now()
  for await (const _ of body);
  return (performance.now() - start) / 1000
}

function rate(took: number): number {
  return BYTES / 1e6 / took
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

if (import.meta.main) {
  console.log('scheme   closing MB/s   opening MB/s')
  for (const [name, ways] of Object.entries(SCHEMES)) {
    const rounds: Awaited<ReturnType<typeof measure>>[] = []
    for (let round = 0; round < ROUNDS; round++) rounds.push(await measure(ways))
    const closing = median(rounds.map((one) => one.closing)).toFixed(0)
    const opening = median(rounds.map((one) => one.opening)).toFixed(0)
    console.log(`${name.padEnd(6)}   ${closing.padStart(12)}   ${opening.padStart(12)}`)
  }
}
