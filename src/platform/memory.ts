import { performance } from 'node:perf_hooks'
import process from 'node:process'

/** How often to look whether there is rest, in milliseconds. */
const LOOK_EVERY = 2_000
/** A process that worked for no more than this share of the time rests. */
const RESTING = 0.1
/** Bytes of heap that have to have come since the last time. */
const WORTH_IT = 4 * 2 ** 20
/** Never more often than this, in milliseconds: a large heap takes a second of standing still. */
const AT_MOST_EVERY = 60_000

/**
 * Gives memory back to the system while the process rests: V8 keeps what work once needed, for a
 * daemon 15 MB of 90. Does nothing unless node runs with `--expose-gc`, and keeps nothing alive.
 */
export function giveBackAtRest(): void {
  const collect = globalThis.gc
  if (!collect) return
  let seen = performance.eventLoopUtilization()
  let collectedAt = Number.NEGATIVE_INFINITY
  let left = 0
  const look = () => {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, seen)
    seen = now
    if (utilization > RESTING || performance.now() - collectedAt < AT_MOST_EVERY) return
    if (process.memoryUsage().heapTotal < left + WORTH_IT) return
    collect({ type: 'major', execution: 'sync', flavor: 'last-resort' })
    collectedAt = performance.now()
    left = process.memoryUsage().heapTotal
  }
  setInterval(look, LOOK_EVERY).unref()
}
