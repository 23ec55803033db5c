import type { Backup, Copy, DesiredJob, Instant } from './model.ts'
import { backoff } from './retry.ts'
import { nextSlot } from './schedule.ts'

/** Whatever time alone can bring is looked for this often, in milliseconds. */
export const LONGEST_REST = 60 * 60_000

/** What the state tells of one job. */
export interface JobHistory {
  readonly backups: readonly Backup[]
  readonly copies: readonly Copy[]
}

/**
 * The next moment at which the passing of time alone may make a job owe something: its slot, another
 * try of what failed, a copy that has to be read again. Sooner than that costs a look and nothing else.
 */
export function nextMoment(job: DesiredJob, history: JobHistory, now: Instant): Instant {
  let next = now + LONGEST_REST
  const consider = (at: number | null) => {
    if (at !== null && at > now && at < next) next = at
  }
  if (!job.enabled) return next as Instant
  if (job.schedule !== null) consider(nextSlot(job.schedule, now))
  for (const { status, finishedAt } of history.backups) {
    if (status !== 'failed' || finishedAt === null) continue
    for (let tries = 1; tries < job.retry.attempts; tries++) {
      consider(finishedAt + backoff(tries, job.retry))
    }
  }
  const { verifiedWithin } = job.objectives
  if (verifiedWithin !== null) {
    // A copy is due when it is older than that, not when it is as old.
    for (const { verifiedAt } of history.copies) {
      if (verifiedAt !== null) consider(verifiedAt + verifiedWithin + 1)
    }
  }
  return next as Instant
}
