import type { Channel as DeclaredChannel, Subscription } from '../core/model.ts'
import { section } from '../core/section.ts'
import { NotAvailable } from '../lib/errors.ts'
import type { Channel, ChannelKind } from './channel.ts'
import type { Subscriber } from './decide.ts'

/** A kind of channel is loaded when it is first used. */
export type ChannelKinds = Readonly<Record<string, () => Promise<ChannelKind>>>

/** Every kind of channel of this version. */
export const CHANNEL_KINDS: ChannelKinds = {
  webhook: async () => (await import('./webhook.ts')).webhook,
  ping: async () => (await import('./ping.ts')).ping,
}

/** The declared channels by id. Throws `NotAvailable` for a kind that is not built. */
export async function openChannels(
  declared: readonly DeclaredChannel[],
  kinds: ChannelKinds,
): Promise<ReadonlyMap<string, Channel>> {
  const open = new Map<string, Channel>()
  for (const { id, kind, options } of declared) {
    const path = `notify.${id}`
    const load = Object.hasOwn(kinds, kind) ? kinds[kind] : undefined
    if (!load) throw new NotAvailable(`notify type ${kind}`, { at: path })
    open.set(id, (await load()).configure(section(path, options)))
  }
  return open
}

/** Who hears of a job: its subscriptions to channels that are open. */
export function subscribersOf(
  subscriptions: readonly Subscription[],
  channels: ReadonlyMap<string, Channel>,
): readonly Subscriber[] {
  return subscriptions.flatMap(({ channel, on }) => {
    const open = channels.get(channel)
    return open ? [{ channel, on, heartbeat: open.heartbeat }] : []
  })
}
