import type { Occasion } from '../core/model.ts'
import { unreachable } from '../lib/unreachable.ts'
import type { BackupNotification, OtherNotification, Outgoing } from './notification.ts'
import { type RunNews, runNotification } from './run-notification.ts'

/** How a job stood after its last run, kept as the fact `notify.state:<job>`. */
export type JobState = 'ok' | 'failing'

/** One channel that a job tells, and of what. */
export interface Subscriber {
  readonly channel: string
  readonly on: readonly Occasion[]
  readonly heartbeat: boolean
}

/** What a run's end means: the state to remember, and whom to tell. */
export interface Verdict {
  readonly state: JobState
  readonly messages: readonly Outgoing[]
}

/** The fact of a job's state as it is stored; whatever is not known is `ok`. */
export function parseJobState(fact: string | null): JobState {
  return fact === 'failing' ? 'failing' : 'ok'
}

/** Key of the fact that holds a job's state. */
export function jobStateKey(job: string): string {
  return `notify.state:${job}`
}

/**
 * Whom to tell of a run that ended. A run that reached some of its targets or sources only is a
 * failure. No target at all is one too, told once until it is mended. A run that was skipped because
 * the last one still works says nothing about the job.
 */
export function decideRun(
  previous: JobState,
  outcome: RunNews,
  subscribers: readonly Subscriber[],
): Verdict {
  const { status } = outcome.run
  switch (status) {
    case 'running':
      return { state: previous, messages: [] }
    case 'skipped':
      if (outcome.skip?.rule !== 'no-target') return { state: previous, messages: [] }
      return {
        state: 'failing',
        messages: previous === 'failing' ? [] : failure(outcome, subscribers),
      }
    case 'failed':
    case 'partial':
      return { state: 'failing', messages: failure(outcome, subscribers) }
    case 'success':
      return { state: 'ok', messages: success(previous, outcome, subscribers) }
    default:
      return unreachable(status)
  }
}

/**
 * Whom to tell that a run began: heartbeats that will hear of its success too. Another one would
 * wait for an end that is never told.
 */
export function decideStart(
  outcome: RunNews,
  subscribers: readonly Subscriber[],
): readonly Outgoing[] {
  return subscribers
    .filter(({ heartbeat, on }) => heartbeat && on.includes('success'))
    .map(({ channel }) => message(channel, 'backup.started', outcome))
}

/** Whom to tell of `occasion`, whatever happened. Heartbeats hear of runs alone. */
export function decideOther(
  occasion: Occasion,
  notification: OtherNotification,
  subscribers: readonly Subscriber[],
): readonly Outgoing[] {
  const { type, jobId, source, target, timestamp } = notification
  const subject = [jobId, source, target, notification.key].map((part) => part ?? '').join(' ')
  return subscribers
    .filter(({ heartbeat, on }) => !heartbeat && on.includes(occasion))
    .map(({ channel }) => ({
      id: `${timestamp} ${type} ${subject} ${channel}`,
      channel,
      notification,
    }))
}

function failure(outcome: RunNews, subscribers: readonly Subscriber[]): readonly Outgoing[] {
  return subscribers
    .filter(({ on }) => on.includes('failure'))
    .map(({ channel }) => message(channel, 'backup.failed', outcome))
}

/** One message a channel: a recovery is a success, and says more. */
function success(
  previous: JobState,
  outcome: RunNews,
  subscribers: readonly Subscriber[],
): readonly Outgoing[] {
  return subscribers.flatMap(({ channel, on }) => {
    if (previous === 'failing' && on.includes('recovery')) {
      return [message(channel, 'backup.recovered', outcome)]
    }
    return on.includes('success') ? [message(channel, 'backup.success', outcome)] : []
  })
}

function message(channel: string, type: BackupNotification['type'], outcome: RunNews): Outgoing {
  const id = `${outcome.run.id} ${type} ${channel}`
  return { id, channel, notification: runNotification(type, outcome) }
}
