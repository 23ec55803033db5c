import type { Compression } from '../core/model.ts'
import { Interrupted } from '../lib/errors.ts'
import type { Exit } from '../platform/program.ts'
import { compressionLayers } from './archive.ts'
import { type Flow, openFlow } from './compressed.ts'
import { compressionWay } from './compressors.ts'
import { encryptor } from './encryptor.ts'
import type { Origin } from './ends.ts'
import { layerOfKeys, type SealingKeys } from './keys.ts'
import { meter, type Reading } from './meter.ts'
import { gather, giveBack, type Stage } from './pieces.ts'
import type { Throttle } from './throttle.ts'

/** What becomes of content on its way into an archive. */
export interface Recipe {
  /** Innermost layer, as the source names it. */
  readonly layer: string
  readonly compression: Compression
  /** Null: not encrypted. */
  readonly encryption: SealingKeys | null
  /** Of the compressor; 0 is one for each core. */
  readonly threads: number
  /** Added niceness of the programs. */
  readonly nice: number
  readonly throttle: Throttle | null
  /** Told of the stored bytes so far, after each block. */
  readonly onBytes?: (bytes: number) => void
  /** Where compressors are looked for; the environment's PATH unless told. */
  readonly searchPath?: string
}

/** An archive in the making. */
export interface Sealed {
  /**
   * The bytes to store, to be read once. Nothing runs before the first is asked for. Ends normally
   * only after every program exited as it should and the judge was content; throws otherwise.
   */
  readonly body: AsyncIterable<Uint8Array>
  /** From the inside out: `tar`, `zstd`, `age`. */
  readonly layers: readonly string[]
  /**
   * Settles when the body ends, fails (the same error) or is let go (`Interrupted`). Nobody has to
   * listen.
   */
  readonly outcome: Promise<SealOutcome>
}

export interface SealOutcome {
  readonly layers: readonly string[]
  readonly stored: Reading
  /** Of the source's program, or null for a file. */
  readonly exit: Exit | null
}

/**
 * content → compressor → encryption → meter → throttle → body, in constant memory, Node seeing
 * compressed bytes only. `judge` is awaited before the body's end: while it does not agree, no
 * consumer can take what it holds for an archive.
 */
export function seal(
  content: Origin,
  recipe: Recipe,
  judge: (exit: Exit | null) => Promise<void>,
  signal: AbortSignal,
): Sealed {
  const layers = [
    recipe.layer,
    ...compressionLayers(recipe.compression),
    ...(recipe.encryption ? [layerOfKeys(recipe.encryption)] : []),
  ]
  const dropped = new AbortController()
  const outcome = Promise.withResolvers<SealOutcome>()
  outcome.promise.catch(() => {})
  const task = { content, recipe, judge, signal: AbortSignal.any([signal, dropped.signal]) }
  const bytes = sealing(task, (stored, exit) => outcome.resolve({ layers, stored, exit }))
  const told = async (step: Promise<IteratorResult<Uint8Array>>) => {
    try {
      return await step
    } catch (cause) {
      const reason = task.signal.aborted ? task.signal.reason : cause
      outcome.reject(reason)
      throw reason
    }
  }
  const iterator: AsyncIterator<Uint8Array> = {
    next: () => told(bytes.next()),
    async return() {
      const reason = new Interrupted('nobody reads the archive any more')
      outcome.reject(reason)
      // A read that hangs in the source must not keep us from ending it.
      dropped.abort(reason)
      return await told(bytes.return(undefined))
    },
  }
  return { body: { [Symbol.asyncIterator]: () => iterator }, layers, outcome: outcome.promise }
}

interface Task {
  readonly content: Origin
  readonly recipe: Recipe
  readonly judge: (exit: Exit | null) => Promise<void>
  readonly signal: AbortSignal
}

/** One generator for all steps: each hop of an async iterator costs as much as a block's hash. */
async function* sealing(
  { content, recipe, judge, signal }: Task,
  onEnd: (stored: Reading, exit: Exit | null) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  const way = await compressionWay(recipe.compression, recipe.threads, recipe.searchPath)
  const ready: Uint8Array[] = []
  const blocks = gather((block) => ready.push(block))
  const entry = await entryOf(recipe.encryption, blocks, signal)
  const gauge = meter()
  const store = async (block: Uint8Array) => {
    gauge.push(block)
    await recipe.throttle?.take(block.byteLength, signal)
    recipe.onBytes?.(gauge.bytes())
    return block
  }
  const flow: Flow = await openFlow(content, { way, nice: recipe.nice, signal })
  try {
    for await (const chunk of flow.chunks) {
      entry.push(chunk)
      giveBack(chunk)
      for (const block of ready.splice(0)) yield await store(block)
    }
    const exit = await flow.finish()
    signal.throwIfAborted()
    await judge(exit)
    entry.end()
    blocks.end()
    for (const block of ready.splice(0)) yield await store(block)
    onEnd(gauge.reading(), exit)
  } finally {
    await flow.stop()
  }
}

async function entryOf(
  keys: SealingKeys | null,
  blocks: Stage,
  signal: AbortSignal,
): Promise<Stage> {
  if (keys === null) return { push: blocks.push, end: () => {} }
  const emit = (bytes: Uint8Array) => {
    blocks.push(bytes)
    giveBack(bytes)
  }
  return await encryptor(keys, emit, signal)
}
