import { join } from 'node:path'
import type { Dice } from '../support/dice.ts'

const COUNTED = join(import.meta.dirname, 'counted.sh')

/** A job of the chaos, and when it is due. */
export interface Job {
  readonly id: string
  /** Milliseconds since 1970. */
  readonly slots: readonly number[]
  /** Half seconds that a backup of it takes, besides what it takes anyway. */
  readonly ticks: number
}

export interface JobsOptions {
  readonly slots: number
  /** The first slot is then, and the last one `window` later; milliseconds. */
  readonly from: number
  readonly window: number
}

const MINUTE = 60_000
/** The first jobs have a second slot a minute after their first: so many of all slots. */
const TWICE = 1 / 6
/** Each sixth job takes its time: that is what is under way when something strikes. */
const SLOW = 6

/**
 * Jobs with so many slots in all, spread evenly. Their schedules name an hour's minute and second, so
 * that a slot is not followed by another one soon, which would take its place.
 */
export function jobsOf({ slots, from, window }: JobsOptions, dice: Dice): readonly Job[] {
  const jobs: Job[] = []
  const twice = Math.floor(slots * TWICE)
  const count = slots - twice
  for (let index = 0; index < count; index++) {
    const at = from + Math.floor((index * window) / count / 1000) * 1000
    const isTwice = index < twice
    const ticks = index % SLOW === 0 ? dice.between(6, 16) : dice.between(0, 1)
    const id = `job-${String(index).padStart(3, '0')}`
    jobs.push({ id, slots: isTwice ? [at, at + MINUTE] : [at], ticks })
  }
  return jobs
}

/** The block of the config, for a source that is counted in `file`. */
export function blockOf(job: Job, file: string): object {
  const [first = 0] = job.slots
  const minutes = job.slots.map((at) => new Date(at).getUTCMinutes()).join(',')
  const bytes = job.ticks > 1 ? 12 << 20 : 1 << 10
  return {
    schedule: `${new Date(first).getUTCSeconds()} ${minutes} * * * *`,
    source: {
      type: 'command',
      name: 'counted',
      backup: [COUNTED, job.id, file, `${job.ticks}`, `${bytes}`],
    },
    retry: { attempts: 100, within: '5m' },
  }
}
