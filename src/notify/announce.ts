import type { Instant } from '../core/model.ts'
import type { Store } from '../state/store.ts'
import { decideRun, jobStateKey, parseJobState, type Subscriber } from './decide.ts'
import type { Outgoing } from './notification.ts'
import type { Outbox } from './outbox.ts'
import type { RunNews } from './run-notification.ts'

/** The part of the store that remembers how a job stood. */
export type Facts = Pick<Store, 'fact' | 'saveFact'>

/**
 * Tells the subscribers of a run that ended: durable once it resolves. Telling it again before it
 * was delivered changes nothing.
 */
export async function announceRun(
  store: Outbox & Facts,
  outcome: RunNews,
  subscribers: readonly Subscriber[],
  now: Instant,
): Promise<void> {
  const key = jobStateKey(outcome.job.id)
  const previous = parseJobState(await store.fact(key))
  const { state, messages } = decideRun(previous, outcome, subscribers)
  await enqueue(store, messages, now)
  if (state !== previous) await store.saveFact(key, state)
}

/** Puts messages into the outbox: durable once it resolves. */
export async function enqueue(
  outbox: Outbox,
  messages: readonly Outgoing[],
  now: Instant,
): Promise<void> {
  for (const { id, channel, notification } of messages) {
    const body = JSON.stringify(notification)
    await outbox.enqueue({ id, channel, body, attempts: 0, nextAt: now, createdAt: now })
  }
}
