import { type FileHandle, open } from 'node:fs/promises'
import { messageOf, RestoreFailed } from '../lib/errors.ts'
import { pour, writeAll } from '../platform/pour.ts'
import { type Exit, failureOf, offer, type Program, startChain } from '../platform/program.ts'
import { decompressionWay } from './compressors.ts'
import {
  contentOf,
  decrypted,
  feed,
  inflated,
  judgeDecompressor,
  type Opening,
  tellApart,
} from './content.ts'
import type { FarProgram, Outlet } from './ends.ts'
import { type Meter, meter, type Reading } from './meter.ts'
import { metered, SILENCE } from './metered.ts'
import { readDump, readSql } from './read-dump.ts'
import { countMembers } from './tar-list.ts'

export type { Opening } from './content.ts'

export interface Unsealed {
  /** Of the whole body as it was read: to be held against the manifest. */
  readonly stored: Reading
  /** Of the sink's program, whatever its code; null for a file. */
  readonly exit: Exit | null
}

export interface ReadThrough {
  readonly stored: Reading
  /** With all layers undone. */
  readonly content: Reading
  /** Members of a tar; null for other content. */
  readonly entries: number | null
  /** False for content that was taken to its end without what reads it as what it is. */
  readonly isRead: boolean
}

/**
 * Undoes the layers of an archive and hands its content to `sink`, decompressor and sink joined by
 * the kernel. Resolves once all is read, every program has ended and a file is durable.
 *
 * Throws `ArchiveDamaged`, `CannotDecrypt`, `ProgramFailed` for a sink that failed before it had
 * read everything, whatever `body` throws, or the signal's reason; the programs are ended by then,
 * without having seen an end of their input. A new file is left as far as it got.
 */
export async function unseal(
  body: AsyncIterable<Uint8Array>,
  opening: Opening,
  sink: Outlet,
  signal: AbortSignal,
): Promise<Unsealed> {
  const gauge = meter()
  if (sink.kind === 'stream') {
    const far = await sink.open(signal)
    const exit = await intoFar(far, contentOf(body, opening, signal, gauge))
    return { stored: gauge.reading(), exit }
  }
  const way = await decompressionWay(tellApart(opening.layers).compression, opening.searchPath)
  const packed = decrypted(body, opening, gauge, signal)
  const input = way.kind === 'in-process' ? inflated(packed, way.make()) : packed
  const work = {
    input,
    decompressor: way.kind === 'program' ? way.program : null,
    nice: opening.nice ?? 0,
    signal,
  }
  try {
    const exit =
      sink.kind === 'file'
        ? await intoFile(sink, work)
        : await throughPrograms({ ...work, sink: sink.program, stdout: 'ignore' })
    return { stored: gauge.reading(), exit }
  } catch (cause) {
    signal.throwIfAborted()
    throw cause
  }
}

interface Work {
  readonly input: AsyncIterable<Uint8Array>
  readonly decompressor: Program | null
  readonly nice: number
  readonly signal: AbortSignal
}

interface Piping extends Work {
  readonly sink: Program | null
  readonly stdout: 'ignore' | number
}

async function throughPrograms(piping: Piping): Promise<Exit | null> {
  const { decompressor, sink, stdout, nice, signal } = piping
  const programs = [decompressor, sink].filter((program) => program !== null)
  const chain = await startChain(programs, { stdin: 'pipe', stdout, nice, signal })
  try {
    const whole = await feed(chain, piping.input)
    const exits = await chain.exits
    signal.throwIfAborted()
    const exit = sink ? (exits.at(-1) ?? null) : null
    judgeDecompressor(decompressor ? (exits[0] ?? null) : null, exit)
    const failure = exit && !whole ? failureOf(exit) : null
    if (failure) throw failure
    return exit
  } finally {
    await chain.stop()
  }
}

/**
 * Writes all of `content` to a far program and ends its input. One that was content with less is let
 * be, and the rest is read for its own sake; when `content` fails it is killed, its input not ended.
 */
async function intoFar(far: FarProgram, content: AsyncIterable<Uint8Array>): Promise<Exit | null> {
  const { stdin } = far
  if (!stdin) throw new Error('a far program that does not read from us')
  far.stdout.resume()
  // Resolves to nothing for one whose end cannot be told: the wait for the exit throws then.
  const gone = far.exit.then(
    () => false,
    () => false,
  )
  try {
    let open = true
    for await (const chunk of content) {
      if (!open) continue
      open = await Promise.race([offer(stdin, chunk), gone])
      const exit = open ? null : await far.exit
      const failure = exit ? failureOf(exit) : null
      if (failure) throw failure
    }
    if (open) stdin.end()
    return await far.exit
  } catch (cause) {
    await far.stop()
    throw cause
  }
}

async function intoFile(
  { path, isScratch }: Extract<Outlet, { kind: 'file' }>,
  work: Work,
): Promise<null> {
  const file = await create(path)
  try {
    if (work.decompressor) await throughPrograms({ ...work, sink: null, stdout: file.fd })
    else await pour(work.input, (batch) => writeAll(file, batch), work.signal)
    // Gigabytes that are read again at once, and then thrown away, cost seconds for nothing.
    if (!isScratch) await file.sync()
    return null
  } finally {
    await file.close()
  }
}

async function create(path: string): Promise<FileHandle> {
  return await open(path, 'wx', 0o600).catch((cause) => {
    throw new RestoreFailed(`cannot create ${path}: ${messageOf(cause)}`, { cause })
  })
}

/**
 * Reads a whole archive to its end and keeps nothing: every layer is undone, the decompressor checks
 * its sums, a tar's members are walked. Throws as `unseal` does.
 */
export async function readThrough(
  body: AsyncIterable<Uint8Array>,
  opening: Opening,
  signal: AbortSignal,
): Promise<ReadThrough> {
  const stored = meter()
  const content = meter()
  const aside = { gauge: content, onBytes: () => {}, throttle: null, patience: null }
  const chunks = metered(contentOf(body, opening, signal, stored), aside, signal)
  const walk = await walked(tellApart(opening.layers).content, chunks, signal)
  return { stored: stored.reading(), content: content.reading(), ...walk }
}

/** Reads content to its end as what it is. */
async function walked(
  content: string,
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<Pick<ReadThrough, 'entries' | 'isRead'>> {
  const whole = { entries: null, isRead: true } as const
  switch (content) {
    case 'tar':
      return { ...whole, entries: await countMembers(chunks, signal) }
    case 'pgdump':
      return { ...whole, isRead: await readDump(chunks, signal) }
    case 'sql':
      await readSql(chunks)
      return whole
    default:
      await drained(chunks)
      return whole
  }
}

async function drained(chunks: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of chunks);
}

/** Size and hash of what is stored, with no key needed. */
export async function hashThrough(
  body: AsyncIterable<Uint8Array>,
  { onBytes = () => {}, throttle = null }: Pick<Opening, 'onBytes' | 'throttle'>,
  signal: AbortSignal,
): Promise<Reading> {
  const gauge: Meter = meter()
  await drained(metered(body, { gauge, onBytes, throttle, patience: SILENCE }, signal))
  return gauge.reading()
}
