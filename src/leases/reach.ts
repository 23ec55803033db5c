import type { Event, EventName, Report } from '../core/event.ts'
import type { Instant } from '../core/model.ts'
import { reportOf } from '../lib/errors.ts'

export type Reached =
  | { readonly kind: 'reached' }
  | { readonly kind: 'away'; readonly since: Instant }

/** Whether a server answers, by what became of each question; its loss and its return are told once. */
export interface Reach {
  reached(): void
  /** Says nothing when the server answered since `askedAt`, by `performance.now()`. */
  away(error: unknown, askedAt?: number): void
  state(): Reached
}

export interface ReachOptions {
  readonly report: Report
  readonly now: () => Instant
  readonly lost: Telling
  readonly back: Telling
  /** It counts as back when nothing failed for so long, in milliseconds: a part of it may be away. */
  readonly settle: number
}

interface Telling {
  readonly event: EventName
  readonly level: Event['level']
  readonly message: string
}

/** Starts as reached. */
export function watchReach({ report, now, lost, back, settle }: ReachOptions): Reach {
  let since: Instant | null = null
  let failedAt = 0
  let reachedAt = 0
  return {
    reached() {
      reachedAt = performance.now()
      if (since === null || performance.now() - failedAt < settle) return
      const durationMs = Math.max(0, now() - since)
      since = null
      report({ ...back, durationMs })
    },
    away(error, askedAt = Number.POSITIVE_INFINITY) {
      if (askedAt < reachedAt) return
      failedAt = performance.now()
      if (since !== null) return
      since = now()
      report({ ...lost, error: reportOf(error) })
    },
    state: () => (since === null ? { kind: 'reached' } : { kind: 'away', since }),
  }
}
