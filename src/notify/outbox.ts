import { createHash } from 'node:crypto'
import type { Instant } from '../core/model.ts'
import { messageOf } from '../lib/errors.ts'
import type { Channel } from './channel.ts'
import { decideRun, jobStateKey, parseJobState, type Subscriber } from './decide.ts'
import type { Notification, Outgoing } from './notification.ts'
import type { RunNews } from './run-notification.ts'

/** The part of the store that keeps messages until they are delivered. */
export interface Outbox {
  enqueue(message: QueuedMessage): Promise<void>
  outbox(now: Instant): Promise<readonly QueuedMessage[]>
  saveMessage(message: QueuedMessage): Promise<void>
  removeMessage(id: string): Promise<void>
}

/** The part of the store that remembers how a job stood. */
export interface Facts {
  fact(key: string): Promise<string | null>
  saveFact(key: string, value: string | null): Promise<void>
}

export interface QueuedMessage {
  readonly id: string
  readonly channel: string
  /** The notification as JSON. */
  readonly body: string
  readonly attempts: number
  readonly nextAt: Instant
  readonly createdAt: Instant
}

/** What became of one message in this round. */
export type Delivery = { readonly id: string; readonly channel: string; readonly type: string } & (
  | { readonly kind: 'sent'; readonly attempts: number }
  | {
      readonly kind: 'failed'
      readonly attempts: number
      readonly error: string
      readonly nextAt: Instant
    }
  | { readonly kind: 'given-up'; readonly attempts: number; readonly error: string }
)

const MINUTE = 60_000
const LONGEST = 60 * MINUTE
/** After this a message is no news any more. */
const GIVE_UP = 24 * 60 * MINUTE
const FOREVER = Number.MAX_SAFE_INTEGER as Instant

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

/**
 * Sends what is due: the channels at once, the messages of each in order. A failure is tried again
 * after about 1 m, 2 m, 4 m … 1 h, for 24 h. Resolves with what became of each; throws only when the
 * outbox itself fails, or with the reason of `signal`.
 */
export async function deliver(
  outbox: Outbox,
  channels: ReadonlyMap<string, Channel>,
  now: () => Instant,
  signal: AbortSignal,
): Promise<readonly Delivery[]> {
  const waiting = await outbox.outbox(FOREVER)
  const due = new Map<string, Parcel[]>()
  for (const parcel of await current(outbox, waiting.map(parcelOf), channels)) {
    if (parcel.message.nextAt > now()) continue
    const { channel } = parcel.message
    due.set(channel, [...(due.get(channel) ?? []), parcel])
  }
  const rounds = [...due].map(async ([id, parcels]) => {
    const done: Delivery[] = []
    for (const parcel of parcels) {
      const delivery = await deliverOne(outbox, channels.get(id) ?? null, parcel, { now, signal })
      done.push(delivery)
      // The other side is not there: its other messages wait for the next round.
      if (delivery.kind === 'failed') break
    }
    return done
  })
  // All of them end before this does, also when one fails.
  await Promise.allSettled(rounds)
  return (await Promise.all(rounds)).flat()
}

interface Parcel {
  readonly message: QueuedMessage
  readonly notification: Notification
}

interface Round {
  readonly now: () => Instant
  readonly signal: AbortSignal
}

function parcelOf(message: QueuedMessage): Parcel {
  return { message, notification: JSON.parse(message.body) as Notification }
}

/** Without what a newer word to the same heartbeat has overtaken: late, it would turn the switch back. */
async function current(
  outbox: Outbox,
  parcels: readonly Parcel[],
  channels: ReadonlyMap<string, Channel>,
): Promise<readonly Parcel[]> {
  const newest = new Map<string, Parcel>()
  const wire = ({ message, notification }: Parcel) => `${message.channel}\n${notification.jobId}`
  for (const parcel of parcels.filter(({ message }) => channels.get(message.channel)?.heartbeat)) {
    const other = newest.get(wire(parcel))
    if (!other || !isBefore(parcel, other)) newest.set(wire(parcel), parcel)
  }
  const kept: Parcel[] = []
  for (const parcel of parcels) {
    const winner = newest.get(wire(parcel))
    if (!winner || winner === parcel) kept.push(parcel)
    else await outbox.removeMessage(parcel.message.id)
  }
  return kept
}

function isBefore(one: Parcel, other: Parcel): boolean {
  if (one.message.createdAt !== other.message.createdAt) {
    return one.message.createdAt < other.message.createdAt
  }
  return one.notification.type === 'backup.started'
}

/** Counted before it is sent: a crash in between, or another process, tries again later and not at once. */
async function deliverOne(
  outbox: Outbox,
  channel: Channel | null,
  { message, notification }: Parcel,
  { now, signal }: Round,
): Promise<Delivery> {
  const told = { id: message.id, channel: message.channel, type: notification.type }
  const attempts = message.attempts + 1
  if (!channel) {
    await outbox.removeMessage(message.id)
    return {
      ...told,
      kind: 'given-up',
      attempts: message.attempts,
      error: 'no such channel is declared',
    }
  }
  signal.throwIfAborted()
  const nextAt = (now() + delayOf(message.id, attempts)) as Instant
  await outbox.saveMessage({ ...message, attempts, nextAt })
  try {
    await channel.send(notification, signal)
  } catch (error) {
    if (signal.aborted) {
      await outbox.saveMessage(message)
      throw error
    }
    if (!isWorthAnother(message, notification, nextAt)) {
      await outbox.removeMessage(message.id)
      return { ...told, kind: 'given-up', attempts, error: messageOf(error) }
    }
    return { ...told, kind: 'failed', attempts, error: messageOf(error), nextAt }
  }
  await outbox.removeMessage(message.id)
  return { ...told, kind: 'sent', attempts }
}

/** A start told late is wrong news. */
function isWorthAnother(message: QueuedMessage, { type }: Notification, nextAt: Instant): boolean {
  return type !== 'backup.started' && nextAt - message.createdAt < GIVE_UP
}

/** Half of it fixed, half of it spread by the message itself, so that many do not come at once. */
function delayOf(id: string, attempts: number): number {
  const whole = Math.min(MINUTE * 2 ** (attempts - 1), LONGEST)
  const spread = createHash('sha256').update(`${id} ${attempts}`).digest().readUInt32BE() / 2 ** 32
  return Math.max(MINUTE, Math.round(whole / 2 + (whole / 2) * spread))
}
