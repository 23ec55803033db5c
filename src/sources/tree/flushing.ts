import { setTimeout as sleep } from 'node:timers/promises'
import { syncFileSystem } from './tools.ts'

/** How often, in milliseconds. */
const EVERY = 1_000

/** What is being unpacked is on its way to the disk. */
export interface Flushing {
  /** Nothing more will be unpacked: flushes once more, and ends. */
  last(): void
  /** Resolves after the last flush. Rejects when one failed: the system tells of a lost write once. */
  readonly ended: Promise<void>
}

/**
 * Brings to the disk what is written to the file system of `path`, every second until `last`. Left
 * to the kernel, all of it would wait in memory for the one sync at the end, and the person with it.
 */
export function flushMeanwhile(path: string, signal: AbortSignal): Flushing {
  const done = new AbortController()
  const rest = AbortSignal.any([done.signal, signal])
  const flush = async () => {
    while (!rest.aborted) {
      await sleep(EVERY, undefined, { signal: rest }).catch(() => {})
      await syncFileSystem(path, signal)
    }
  }
  const ended = flush()
  ended.catch(() => {}) // whoever waits for it is told
  return { last: () => done.abort(), ended }
}
