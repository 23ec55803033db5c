import type { Desired, Instant, JobId } from '../core/model.ts'

/** When each job is next looked at. */
export interface Agenda {
  /** Every declared job is due: what they are owed may be another. */
  renew(desired: Desired): void
  /** The jobs whose time has come. */
  due(now: Instant): readonly JobId[]
  /** Look at it then, and not before. A job that is declared no more is forgotten. */
  set(job: JobId, at: Instant, now: Instant): void
  /** Look at it at once. */
  hurry(job: JobId): void
  /** The next moment at which one is due; null when none is. */
  next(): Instant | null
}

interface Entry {
  readonly at: number
  /** When it was set: a clock that is behind that was set back, and the moment means nothing. */
  readonly since: number
}

const AT_ONCE: Entry = { at: Number.NEGATIVE_INFINITY, since: Number.NEGATIVE_INFINITY }

/** An agenda with nothing in it. */
export function createAgenda(): Agenda {
  let entries = new Map<JobId, Entry>()
  return {
    renew({ jobs }) {
      entries = new Map(jobs.map(({ id }) => [id, AT_ONCE]))
    },
    due(now) {
      const due: JobId[] = []
      for (const [job, { at, since }] of entries) if (at <= now || now < since) due.push(job)
      return due
    },
    set(job, at, now) {
      if (entries.has(job)) entries.set(job, { at, since: now })
    },
    hurry(job) {
      if (entries.has(job)) entries.set(job, AT_ONCE)
    },
    next() {
      let next = Number.POSITIVE_INFINITY
      for (const { at } of entries.values()) if (at < next) next = at
      return next === Number.POSITIVE_INFINITY ? null : (next as Instant)
    },
  }
}
