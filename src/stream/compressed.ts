import { createReadStream } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { pipeline, type Readable, type Transform } from 'node:stream'
import { messageOf, SourceFailed } from '../lib/errors.ts'
import { type Chain, type Exit, failureOf, type Program, startChain } from '../platform/program.ts'
import type { Way } from './compressors.ts'
import type { Origin } from './ends.ts'

/** Content on its way out, compressed. */
export interface Flow {
  /** Ends when the last program closes its output, which is no proof of success: `finish` is. */
  readonly chunks: AsyncIterable<Uint8Array>
  /**
   * After the last chunk: how the source's program ended, or null for a file. Throws `ProgramFailed`
   * when the compressor failed or anything was killed; the source's own exit code is not judged.
   */
  finish(): Promise<Exit | null>
  /** Ends whatever still runs and waits for it. */
  stop(): Promise<void>
}

export interface FlowOptions {
  readonly way: Way
  readonly nice: number
  readonly signal: AbortSignal
}

/** Starts reading `origin` through a compressor. Throws `ProgramFailed` or `SourceFailed` at once. */
export async function openFlow(origin: Origin, options: FlowOptions): Promise<Flow> {
  const { way } = options
  const programs: Program[] = []
  if (origin.kind === 'program') programs.push(origin.program)
  if (way.kind === 'program') programs.push(way.program)
  const transform = way.kind === 'in-process' ? way.make() : null
  if (origin.kind === 'file' && programs.length === 0) return await readFlow(origin.path, transform)
  const chain = await startOn(origin, programs, options)
  return {
    chunks: through(readableOf(chain), transform),
    async finish() {
      const exits = await chain.exits
      return judge(exits, origin)
    },
    async stop() {
      transform?.destroy()
      await chain.stop()
    },
  }
}

async function startOn(
  origin: Origin,
  programs: readonly Program[],
  { nice, signal }: FlowOptions,
): Promise<Chain> {
  if (origin.kind === 'program') return await startChain(programs, { stdin: null, nice, signal })
  const file = await openSource(origin.path)
  try {
    return await startChain(programs, { stdin: file.fd, nice, signal })
  } finally {
    await file.close()
  }
}

async function readFlow(path: string, transform: Transform | null): Promise<Flow> {
  const file = await openSource(path)
  const stream = createReadStream(path, { fd: file, highWaterMark: 512 * 1024 })
  return {
    chunks: through(stream, transform),
    finish: () => Promise.resolve(null),
    async stop() {
      transform?.destroy()
      stream.destroy()
      if (!stream.closed) await new Promise<void>((resolve) => stream.once('close', resolve))
    },
  }
}

async function openSource(path: string): Promise<FileHandle> {
  return await open(path).catch((cause) => {
    throw new SourceFailed(`cannot read ${path}: ${messageOf(cause)}`, { cause })
  })
}

function readableOf(chain: Chain): Readable {
  if (!chain.stdout) throw new Error('the last program of a chain writes elsewhere')
  return chain.stdout
}

function through(stream: Readable, transform: Transform | null): Readable {
  // A failure of either destroys both; whoever iterates hears of it.
  return transform ? pipeline(stream, transform, () => {}) : stream
}

/** The one that failed first in truth: a compressor's death is what breaks its source's pipe. */
function judge(exits: readonly Exit[], origin: Origin): Exit | null {
  const source = origin.kind === 'program' ? exits[0] : null
  for (const exit of exits) {
    const failure = exit === source ? null : failureOf(exit)
    if (failure) throw failure
  }
  if (!source) return null
  const failure = source.code === null ? failureOf(source) : null
  if (failure) throw failure
  return source
}
