import { pipeline, Readable } from 'node:stream'
import type { Encryption } from '../core/model.ts'
import { ArchiveDamaged, messageOf, NotAvailable } from '../lib/errors.ts'
import { type Chain, type Exit, failureOf, offer, startChain } from '../platform/program.ts'
import { ageDecrypt } from './age.ts'
import { decompressionWay, type Step } from './compressors.ts'
import { cryptrDecrypt } from './cryptr.ts'
import type { Identity } from './keys.ts'
import { type Meter, meter } from './meter.ts'
import { metered, SILENCE } from './metered.ts'
import { giveBack } from './pieces.ts'
import type { Throttle } from './throttle.ts'

/** How to read an archive. */
export interface Opening {
  /** From the inside out, as the manifest tells them. */
  readonly layers: readonly string[]
  readonly keys: readonly Identity[]
  /** Told of the stored bytes read so far, after each chunk. */
  readonly onBytes?: (bytes: number) => void
  /** Added niceness of the programs. */
  readonly nice?: number
  /** What bounds the reading of stored bytes; nothing unless told. */
  readonly throttle?: Throttle | null
  /** Where decompressors are looked for; the environment's PATH unless told. */
  readonly searchPath?: string
}

/** Layers that need a key. */
export type Scheme = Encryption['scheme']

/** The layers of an archive, told apart. */
export interface Layers {
  /** `tar`, `sqlite`, `pgdump`, `sql`, `raw`. */
  readonly content: string
  readonly compression: string | null
  readonly encryption: Scheme | null
}

/** Throws `NotAvailable` for layers that this version cannot undo. */
export function tellApart(layers: readonly string[]): Layers {
  const rest = [...layers]
  const outermost = rest.at(-1)
  const encryption = outermost === 'age' || outermost === 'cryptr' ? outermost : null
  if (encryption) rest.pop()
  const [content = 'raw', compression = null, ...more] = rest
  if (more.length > 0) throw new NotAvailable(`archive layers ${layers.join(', ')}`)
  return { content, compression, encryption }
}

/** What lies under the encryption, every stored byte metered. Ends normally only at the body's end. */
export function decrypted(
  body: AsyncIterable<Uint8Array>,
  opening: Opening,
  gauge: Meter,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  const { onBytes = () => {}, throttle = null } = opening
  const stored = metered(body, { gauge, onBytes, throttle, patience: SILENCE }, signal)
  const { encryption } = tellApart(opening.layers)
  return encryption === null ? stored : decryptor(encryption, opening.keys, signal)(stored)
}

/** What undoes the layer of a scheme; throws as its own functions do. */
export function decryptor(
  scheme: Scheme,
  keys: readonly Identity[],
  signal: AbortSignal,
): (input: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array> {
  return scheme === 'age' ? ageDecrypt(keys, signal) : cryptrDecrypt(keys, signal)
}

/**
 * The content of an archive, all layers undone. Ends normally only when all of it was read and
 * proven whole. Throws `ArchiveDamaged`, `CannotDecrypt`, whatever `body` throws, or the signal's
 * reason; no program is left then.
 */
export async function* contentOf(
  body: AsyncIterable<Uint8Array>,
  opening: Opening,
  signal: AbortSignal,
  gauge: Meter = meter(),
): AsyncGenerator<Uint8Array> {
  const way = await decompressionWay(tellApart(opening.layers).compression, opening.searchPath)
  const packed = decrypted(body, opening, gauge, signal)
  if (way.kind === 'none') yield* packed
  else if (way.kind === 'in-process') yield* inflated(packed, way.make())
  else {
    const options = { stdin: 'pipe', nice: opening.nice ?? 0, signal } as const
    yield* passed(packed, await startChain([way.program], options), signal)
  }
}

/** What a chain of one decompressor makes of `input`. */
async function* passed(
  input: AsyncIterable<Uint8Array>,
  chain: Chain,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const feeding = feed(chain, input).then(
    () => null,
    (error: unknown) => {
      void chain.stop()
      return { error }
    },
  )
  try {
    yield* chain.stdout ?? []
    const failure = await feeding
    if (failure) throw failure.error
    judgeDecompressor((await chain.exits)[0] ?? null, null)
  } catch (cause) {
    signal.throwIfAborted()
    throw (await feeding)?.error ?? cause
  } finally {
    await chain.stop()
  }
}

/**
 * Writes all of `input`, whose chunks are its own to free, to a chain and ends its stdin; false when
 * its first program reads no further and something in it failed. One that stopped reading in peace is
 * let be, and the rest of `input` is read for its own sake. When `input` throws, stdin is left open:
 * nobody shall take that for an end.
 */
export async function feed(chain: Chain, input: AsyncIterable<Uint8Array>): Promise<boolean> {
  const { stdin } = chain
  if (!stdin) throw new Error('the chain does not read from us')
  let open = true
  for await (const chunk of input) {
    if (open) open = await offer(stdin, chunk, () => giveBack(chunk))
    if (!open && !leftInPeace(await chain.exits)) return false
  }
  stdin.end()
  return true
}

/** True when the last program was content with what it had got, and the others died of that alone. */
function leftInPeace(exits: readonly Exit[]): boolean {
  const others = exits.slice(0, -1)
  return exits.at(-1)?.code === 0 && others.every((exit) => exit.code === 0 || lostReader(exit))
}

/** Between programs lie sockets: one whose reader left with bytes unread is told of a reset instead. */
function lostReader(exit: Exit): boolean {
  const complaint = exit.stderr.join('\n')
  return exit.signal === 'SIGPIPE' || /Broken pipe|reset by peer/i.test(complaint)
}

/**
 * Throws unless the decompressor succeeded, or failed only because `sink`, whom it wrote to, left.
 * Its complaints about its input are the archive's damage, those about its output are not.
 */
export function judgeDecompressor(exit: Exit | null, sink: Exit | null): void {
  if (exit === null || exit.code === 0) return
  const failure = failureOf(exit)
  const complaint = exit.stderr.join('\n')
  if (
    exit.signal === 'SIGPIPE' ||
    /write error|stdout: |Broken pipe|reset by peer/i.test(complaint)
  ) {
    if (sink === null) throw failure
    const cause = failureOf(sink)
    if (cause) throw cause
    return
  }
  if (exit.signal !== null) throw failure
  throw damaged(failure?.tail || `${exit.command} ended with exit code ${exit.code}`, failure)
}

/** What a step of this process makes of `input`, which must hold nothing beside. */
export async function* inflated(
  input: AsyncIterable<Uint8Array>,
  step: Step,
): AsyncGenerator<Uint8Array> {
  let bytes = 0
  let failure: { readonly error: unknown } | null = null
  async function* counting() {
    try {
      for await (const chunk of input) {
        bytes += chunk.byteLength
        yield chunk
      }
    } catch (error) {
      failure = { error }
      throw error
    }
  }
  pipeline(Readable.from(counting(), { objectMode: false }), step, () => {})
  try {
    yield* step
  } catch (cause) {
    throw rootOf(failure, damaged(messageOf(cause), cause))
  }
  // It stops at the end of its format, and says nothing of what follows.
  if (step.bytesWritten !== bytes) throw damaged(`${bytes - step.bytesWritten} bytes after its end`)
}

function rootOf(failure: { readonly error: unknown } | null, otherwise: Error): unknown {
  return failure ? failure.error : otherwise
}

function damaged(how: string, cause?: unknown): ArchiveDamaged {
  return new ArchiveDamaged(`the archive cannot be decompressed: ${how}`, { cause })
}
