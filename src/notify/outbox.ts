import { createHash } from 'node:crypto'
import type { Instant } from '../core/model.ts'
import { messageOf } from '../lib/errors.ts'
import type { OutboxMessage, Store } from '../state/store.ts'
import type { Channel } from './channel.ts'
import type { Notification } from './notification.ts'

/** The part of the store that keeps messages until they are delivered. */
export type Outbox = Pick<Store, 'enqueue' | 'outbox' | 'saveMessage' | 'removeMessage'>

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
  /** Another process is at it, or has sent it. */
  | { readonly kind: 'elsewhere' }
)

const MINUTE = 60_000
const LONGEST = 60 * MINUTE
/** After this a message is no news any more. */
const GIVE_UP = 24 * 60 * MINUTE
const FOREVER = Number.MAX_SAFE_INTEGER as Instant

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
    if (!isDue(parcel.message, now())) continue
    const { channel } = parcel.message
    due.set(channel, [...(due.get(channel) ?? []), parcel])
  }
  const rounds = [...due].map(async ([id, parcels]) => {
    const done: Delivery[] = []
    for (const parcel of parcels) {
      const delivery = await deliverOne(outbox, channels.get(id) ?? null, parcel, { now, signal })
      done.push(delivery)
      // The other side is not there, or somebody else speaks to it: other messages wait for the next round.
      if (delivery.kind === 'failed' || delivery.kind === 'elsewhere') break
    }
    return done
  })
  // All of them end before this does, also when one fails.
  await Promise.allSettled(rounds)
  return (await Promise.all(rounds)).flat()
}

/** A next try that is further off than any delay was set by a clock that has been put back since. */
function isDue({ nextAt }: OutboxMessage, now: Instant): boolean {
  return nextAt <= now || nextAt > now + LONGEST
}

interface Parcel {
  readonly message: OutboxMessage
  readonly notification: Notification
}

interface Round {
  readonly now: () => Instant
  readonly signal: AbortSignal
}

function parcelOf(message: OutboxMessage): Parcel {
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
  const isOurs = await outbox.saveMessage({ ...message, attempts, nextAt }, message.attempts)
  if (!isOurs) return { ...told, kind: 'elsewhere' }
  try {
    await channel.send(notification, signal)
  } catch (error) {
    if (signal.aborted) {
      await outbox.saveMessage(message, attempts)
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
function isWorthAnother(message: OutboxMessage, { type }: Notification, nextAt: Instant): boolean {
  return type !== 'backup.started' && nextAt - message.createdAt < GIVE_UP
}

/** Half of it fixed, half of it spread by the message itself, so that many do not come at once. */
function delayOf(id: string, attempts: number): number {
  const whole = Math.min(MINUTE * 2 ** (attempts - 1), LONGEST)
  const spread = createHash('sha256').update(`${id} ${attempts}`).digest().readUInt32BE() / 2 ** 32
  return Math.max(MINUTE, Math.round(whole / 2 + (whole / 2) * spread))
}
