import type { ErrorReport } from '../lib/errors.ts'

/** Every event that the log tells, stable and documented like an API (docs/reference/events.md). */
export type EventName =
  | 'config.loaded'
  | 'config.reloaded'
  | 'config.rejected'
  | 'config.differs'
  | 'daemon.started'
  | 'daemon.draining'
  | 'daemon.stopped'
  | 'http.listening'
  | 'http.unavailable'
  | 'plan.made'
  | 'backup.started'
  | 'backup.done'
  | 'backup.failed'
  | 'backup.skipped'
  | 'backup.abandoned'
  | 'prune.done'
  | 'prune.blocked'
  | 'prune.retained'
  | 'verify.done'
  | 'verify.failed'
  | 'adopt.done'
  | 'copy.done'
  | 'copy.failed'
  | 'copy.missing'
  | 'debris.removed'
  | 'drift.found'
  | 'posture.set'
  | 'target.first_contact'
  | 'lease.taken'
  | 'lease.lost'
  | 'redis.lost'
  | 'redis.back'
  | 'redis.failover'
  | 'redis.unacknowledged'
  | 'state.lost'
  | 'state.back'
  | 'restore.requested'
  | 'restore.download'
  | 'restore.verified'
  | 'restore.swapped'
  | 'restore.done'
  | 'restore.unset_env'
  | 'restore.waiting'
  | 'restore.skipped'
  | 'restore.failed'
  | 'restore.released'
  | 'restore.stranded'
  | 'restore.abandoned'
  | 'notify.done'
  | 'notify.failed'
  | 'pass.failed'

export type Level = 'debug' | 'info' | 'warn' | 'error'

/** One thing that happened. Field names are camelCase; sizes in bytes, durations in milliseconds. */
export interface Event {
  readonly event: EventName
  readonly level: Level
  /** One sentence for a person. */
  readonly message: string
  readonly job?: string
  readonly source?: string
  readonly target?: string
  readonly run?: string
  readonly backup?: string
  readonly key?: string
  readonly bytes?: number
  readonly durationMs?: number
  readonly error?: ErrorReport
  /** Whatever else belongs to this event. */
  readonly detail?: Readonly<Record<string, unknown>>
}

/** Takes events: the log, the notifier, a test. Never throws. */
export type Report = (event: Event) => void
