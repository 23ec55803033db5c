import { setTimeout as sleep } from 'node:timers/promises'
import { EngineRefused, EngineUnreachable } from '../lib/errors.ts'
import { formatDuration } from '../lib/time.ts'

/** How long an engine is believed in that does not answer. In milliseconds. */
export interface Patience {
  /** Between looks at whether it is there. */
  readonly askEvery: number
  /** From the first look that finds nobody to the one that gives up. */
  readonly silenceLimit: number
}

/** It outlasts an engine's restart, and ends before anybody wonders. */
export const PATIENCE: Patience = { askEvery: 30_000, silenceLimit: 5 * 60_000 }

/**
 * Asks now and then by `look`, and rejects with `EngineUnreachable` once nobody has answered for too
 * long: a machine that loses its power closes no connection, and a hung engine none either, so that
 * whoever waits for the next byte alone would wait for ever. A refusal is an answer. Rejects also when
 * `over` aborts.
 */
export async function silence(
  { name, look }: { readonly name: string; readonly look: () => Promise<unknown> },
  over: AbortSignal,
  { askEvery, silenceLimit }: Patience,
): Promise<never> {
  let since: number | null = null
  for (;;) {
    await sleep(askEvery, undefined, { signal: over })
    const cause = await look().then(() => null, notAnswered)
    if (cause === null) since = null
    else since ??= performance.now()
    if (since !== null && performance.now() - since >= silenceLimit) {
      const how = `the engine of ${name} has not answered for ${formatDuration(silenceLimit)}`
      throw new EngineUnreachable(how, { cause, hint: 'see whether its machine is up' })
    }
  }
}

function notAnswered(error: unknown): unknown {
  return error instanceof EngineRefused ? null : error
}
