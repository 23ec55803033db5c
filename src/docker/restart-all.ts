import { messageOf } from '../lib/errors.ts'
import { restartContainer } from './containers.ts'
import type { Engine } from './engine.ts'

export interface Restarting {
  /** Seconds that each has to end by itself. */
  readonly grace: number
  readonly signal: AbortSignal
}

/** What came of it, by names in order. */
export interface Restarted {
  readonly restarted: readonly string[]
  /** In words, those that could not be. */
  readonly failed: readonly string[]
}

/** Restarts containers, all at once, so that it takes no longer than the slowest. One that cannot be keeps no other. */
export async function restartAll(
  engine: Engine,
  containers: readonly { readonly id: string; readonly name: string }[],
  { grace, signal }: Restarting,
): Promise<Restarted> {
  const restarted: string[] = []
  const failed: string[] = []
  const restart = async ({ id, name }: { readonly id: string; readonly name: string }) => {
    try {
      await restartContainer(engine, id, { grace, signal })
      restarted.push(name)
    } catch (error) {
      failed.push(`not restarted: ${name}: ${messageOf(error)}`)
    }
  }
  await Promise.all(containers.map(restart))
  return { restarted: restarted.toSorted(), failed: failed.toSorted() }
}
