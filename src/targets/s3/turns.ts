import { unlessAborted } from '../../lib/limits.ts'

/** Who works on what, and who waits for it: by what, the end of the last in the row. */
const rows = new Map<string, Promise<void>>()

/**
 * Runs `work` when nobody else in this process works on `what` any more. Rejects with the signal's
 * reason when it aborts before.
 */
export async function inTurn<T>(
  what: string,
  work: () => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const before = rows.get(what) ?? Promise.resolve()
  const { promise: done, resolve: end } = Promise.withResolvers<void>()
  const mine = before.then(() => done)
  rows.set(what, mine)
  try {
    await unlessAborted(before, signal)
    return await work()
  } finally {
    end()
    mine.then(() => {
      if (rows.get(what) === mine) rows.delete(what)
    })
  }
}
