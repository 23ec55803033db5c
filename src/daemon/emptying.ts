import type { JobId, Millis } from '../core/model.ts'
import { Interrupted } from '../lib/errors.ts'
import { startTimer, type Timer, unlessAborted } from '../lib/limits.ts'
import { formatDuration } from '../lib/time.ts'
import type { Wake } from './wake.ts'

/** What was aborted, and an inventory that hangs, is waited for so long and then left behind. */
const LAST_SECONDS = 10_000

/** One job's turn under way. */
export interface Worker {
  readonly done: Promise<void>
  readonly giveWay: AbortController
  /** True while it is at work that can wait. */
  readonly isPatient: () => boolean
}

/** The end of work, for a while or for good. */
export interface Emptying {
  /** Ends what can wait and resolves when all under way has ended. */
  settle(): Promise<void>
  /**
   * Starts no more turns, ends what can wait, and aborts what runs after `timeout`. Resolves once
   * nothing runs. A second one while draining joins the first.
   */
  drain(timeout: Millis): Promise<'drained' | 'handed-over'>
  /** Starts turns again. */
  undrain(): void
  isDraining(): boolean
}

/**
 * Work that goes on, `beside` the turns told by when it will have ended; `cut` aborts what runs when a
 * drain takes too long.
 */
export function createEmptying(
  workers: ReadonlyMap<JobId, Worker>,
  beside: readonly (() => Promise<void>)[],
  { wake }: Wake,
): Emptying & { cut(): AbortSignal } {
  let draining: Promise<'drained' | 'handed-over'> | null = null
  let cut = new AbortController()
  let limit: Timer | null = null
  const settle = async (): Promise<void> => {
    for (const { giveWay } of workers.values()) giveWay.abort(new Interrupted('the daemon drains'))
    await Promise.all([...workers.values()].map(({ done }) => done))
    await Promise.all(beside.map((ended) => ended()))
  }
  const empty = async (timeout: Millis) => {
    const own = cut
    const { signal } = own
    const timer = startTimer(timeout, () =>
      own.abort(new Interrupted(`the drain took longer than ${formatDuration(timeout)}`)),
    )
    limit = timer
    await unlessAborted(settle(), signal, LAST_SECONDS).catch((error: unknown) => {
      if (error !== signal.reason) throw error
    })
    timer.cancel()
    return signal.aborted ? 'handed-over' : 'drained'
  }
  return {
    settle,
    cut: () => cut.signal,
    drain(timeout) {
      draining ??= empty(timeout)
      return draining
    },
    undrain() {
      // What still runs may go on: nobody wants it gone any more.
      limit?.cancel()
      draining = null
      // What began before is still to be told by the next drain.
      if (cut.signal.aborted) cut = new AbortController()
      wake()
    },
    isDraining: () => draining !== null,
  }
}
