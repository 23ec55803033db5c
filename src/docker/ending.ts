import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Attachment } from './attached.ts'
import { PATIENCE, type Patience, silence } from './silence.ts'

/** How a connection came to bring nothing more. */
export type Ending = 'in order' | 'cut' | 'deserted'

/** How closely a program is watched. Times in milliseconds. */
export interface Pace extends Patience {
  /** Between looks at whether a program that takes input still runs. */
  readonly lookEvery: number
  /** So many looks in a row find no output before a program that ended well counts as silent. */
  readonly quietLooks: number
}

/** Ten seconds of quiet: longer than a network takes to bring again what it has lost. */
export const PACE: Pace = { ...PATIENCE, lookEvery: 200, quietLooks: 50 }

/**
 * Resolves once the connection brings nothing more: it was ended in order, or cut, or deserted by a
 * program that has ended. Rejects with the signal's reason, or `EngineUnreachable` when the engine
 * does not answer any more.
 */
export async function ending(
  attachment: Attachment,
  signal: AbortSignal,
  pace: Pace,
): Promise<Ending> {
  const { connection, hasStdin, name, standing } = attachment
  const over = new AbortController()
  const cut = () => 'cut' as const
  const ways: Promise<Ending>[] = [
    once(connection, 'end', { signal: over.signal }).then(() => 'in order' as const, cut),
    once(connection, 'close', { signal: over.signal }).then(cut, cut),
    rejection(signal, over.signal),
    silence({ name, look: standing }, over.signal, pace),
  ]
  if (hasStdin) ways.push(desertion(attachment, over.signal, pace))
  try {
    return await Promise.race(ways)
  } finally {
    over.abort()
  }
}

function rejection(signal: AbortSignal, over: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const fail = () => reject(signal.reason)
    if (signal.aborted) fail()
    else signal.addEventListener('abort', fail, { once: true, signal: over })
  })
}

/**
 * Resolves once a program has ended that left some of its input unread, and its output is quiet: the
 * engine keeps such a connection open for minutes, waiting for us to be rid of the rest. Rejects when
 * `over` aborts.
 *
 * Quiet proves nothing of the rest of the output while nobody listens, so it counts only while the
 * connection flows; and as what is missed would look whole, an end with code 0 takes far more of it
 * than a failure, which stays one.
 */
async function desertion(
  { connection, standing }: Attachment,
  over: AbortSignal,
  { lookEvery, quietLooks }: Pace,
): Promise<'deserted'> {
  const isStill = stillness(connection, over)
  let quiet = 0
  for (;;) {
    await sleep(lookEvery, undefined, { signal: over })
    const { isRunning, code } = await standing().catch(() => ({ isRunning: true, code: null }))
    const isQuiet = isStill()
    quiet = isQuiet && !isRunning ? quiet + 1 : 0
    // The first of them may have begun while it still ran.
    if (quiet > (code === 0 ? quietLooks : 1)) return 'deserted'
  }
}

/** Tells at each call whether since the one before the connection flowed and brought nothing. */
function stillness(connection: Duplex, over: AbortSignal): () => boolean {
  let isStill = false
  const stir = () => {
    isStill = false
  }
  const stirs = ['data', 'pause', 'resume']
  for (const event of stirs) connection.on(event, stir)
  const forget = () => {
    for (const event of stirs) connection.off(event, stir)
  }
  over.addEventListener('abort', forget, { once: true })
  return () => {
    const was = isStill
    isStill = !connection.isPaused() && connection.readableLength === 0
    return was && isStill
  }
}
