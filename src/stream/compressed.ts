import { createReadStream } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { pipeline, type Readable, type Transform } from 'node:stream'
import { messageOf, SourceFailed } from '../lib/errors.ts'
import {
  type Chain,
  type Exit,
  failureOf,
  mustSucceed,
  type Program,
  startChain,
} from '../platform/program.ts'
import type { Way } from './compressors.ts'
import { feed } from './content.ts'
import type { FarProgram, Origin } from './ends.ts'

/** Content on its way out, compressed. */
export interface Flow {
  /** Ends when the last program closes its output, which is no proof of success: `finish` is. */
  readonly chunks: AsyncIterable<Uint8Array>
  /**
   * After the last chunk: how the source's program ended, or null where there was none. Throws `ProgramFailed`
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
  if (origin.kind === 'stream') return await farFlow(await origin.open(options.signal), options)
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

/** What kernels join. */
type NearOrigin = Exclude<Origin, { kind: 'stream' }>

async function startOn(
  origin: NearOrigin,
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

/** Through a compressor that waits for us when the far program does. */
async function farFlow(far: FarProgram, { way, nice, signal }: FlowOptions): Promise<Flow> {
  if (way.kind !== 'program') {
    const transform = way.kind === 'in-process' ? way.make() : null
    return {
      chunks: through(far.stdout, transform),
      finish: () => far.exit,
      async stop() {
        transform?.destroy()
        await far.stop()
      },
    }
  }
  const chain = await startChain([way.program], { stdin: 'pipe', nice, signal }).catch(
    async (error: unknown) => {
      await far.stop()
      throw error
    },
  )
  return {
    chunks: fed(chain, far.stdout),
    async finish() {
      for (const exit of await chain.exits) mustSucceed(exit)
      return await far.exit
    },
    async stop() {
      await chain.stop()
      await far.stop()
    },
  }
}

/** What a compressor makes of `input`; fails when the input did, and then has not seen its end. */
async function* fed(chain: Chain, input: Readable): AsyncGenerator<Uint8Array> {
  const feeding = feed(chain, input).then(
    () => null,
    (error: unknown) => {
      void chain.stop()
      return { error }
    },
  )
  try {
    yield* readableOf(chain)
  } catch (cause) {
    throw (await feeding)?.error ?? cause
  }
  const failure = await feeding
  if (failure) throw failure.error
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
function judge(exits: readonly Exit[], origin: NearOrigin): Exit | null {
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
