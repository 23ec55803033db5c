import type { Section } from '../core/section.ts'
import { Failure, type FailureOptions } from '../lib/errors.ts'
import type { Notification } from './notification.ts'

/** A way to tell somebody. */
export interface Channel {
  /**
   * True for one that watches a job by hearing of it: it is told of starts, and only the newest word
   * on each job counts.
   */
  readonly heartbeat: boolean
  /**
   * Resolves once the other side has taken it. Throws `NotifyFailed` when it did not, within a time
   * limit of its own; never names an address or a secret.
   */
  send(notification: Notification, signal: AbortSignal): Promise<void>
}

export interface ChannelKind {
  readonly kind: string
  /** Throws `ConfigError` naming the key at fault. Does no I/O. */
  configure(section: Section): Channel
}

/** The other side could not be reached or did not take the message. */
export class NotifyFailed extends Failure {
  constructor(message: string, options: FailureOptions = {}) {
    super('notify_failed', message, options)
  }
}
