import { createHmac } from 'node:crypto'
import type { Secret } from '../lib/secret.ts'
import type { Channel, ChannelKind } from './channel.ts'
import { ANSWER_LIMIT, addressOf, post } from './post.ts'

/** JSON by POST. `secret` signs it: `X-Signature-256: sha256=<hex HMAC of the body>`, as Vardo's does. */
export const webhook: ChannelKind = {
  kind: 'webhook',
  configure: (section) =>
    openWebhook({
      address: addressOf(section),
      secret: section.secret('secret'),
      limit: ANSWER_LIMIT,
    }),
}

export interface WebhookOptions {
  readonly address: URL
  readonly secret: Secret | null
  /** Milliseconds. */
  readonly limit: number
}

/** The channel that posts to `address`. */
export function openWebhook({ address, secret, limit }: WebhookOptions): Channel {
  return {
    heartbeat: false,
    async send(notification, signal) {
      const body = JSON.stringify(notification)
      const headers = { 'content-type': 'application/json', ...signature(body, secret) }
      await post({ address, body, headers, limit }, signal)
    },
  }
}

function signature(body: string, secret: Secret | null): Record<string, string> {
  if (!secret) return {}
  const hex = createHmac('sha256', secret.reveal()).update(body).digest('hex')
  return { 'x-signature-256': `sha256=${hex}` }
}
