import type { Orders } from '../daemon/daemon.ts'
import { Interrupted } from '../lib/errors.ts'

/** Exit code of a process that a signal ended, by the shells' convention. */
const CODES: Readonly<Record<string, number>> = { SIGINT: 130, SIGTERM: 143 }

/** Milliseconds in which a repeated signal is the same one. */
const ECHO = 250

export interface Signals {
  readonly orders: Orders
  readonly exitCode: () => number
  readonly close: () => void
}

/** The first SIGTERM or SIGINT drains, a second one stops at once; SIGHUP reloads. */
export function listenToSignals(): Signals {
  const drain = new AbortController()
  const stop = new AbortController()
  let last = 'SIGTERM'
  let firstAt = Number.NEGATIVE_INFINITY
  let reload = () => {}
  const end = (signal: 'SIGINT' | 'SIGTERM') => {
    // npm passes on what the terminal has already sent: an echo is no second order.
    if (performance.now() - firstAt < ECHO) return
    firstAt = performance.now()
    last = signal
    const told = drain.signal.aborted ? stop : drain
    told.abort(new Interrupted(`told to stop by ${signal}`, { signal }))
  }
  const hup = () => reload()
  process.on('SIGTERM', end).on('SIGINT', end).on('SIGHUP', hup)
  return {
    orders: {
      drain: drain.signal,
      stop: stop.signal,
      onReload: (listener) => {
        reload = listener
      },
    },
    exitCode: () => CODES[last] ?? 1,
    close: () => process.off('SIGTERM', end).off('SIGINT', end).off('SIGHUP', hup),
  }
}
