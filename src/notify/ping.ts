import { createHash } from 'node:crypto'
import { unreachable } from '../lib/unreachable.ts'
import type { Channel, ChannelKind } from './channel.ts'
import type { BackupNotification, Notification } from './notification.ts'
import { ANSWER_LIMIT, addressOf, post } from './post.ts'

/** A dead man's switch of the healthchecks kind: `URL/start`, `URL`, `URL/fail`, each with `rid`. */
export const ping: ChannelKind = {
  kind: 'ping',
  configure: (section) => openPing({ address: addressOf(section), limit: ANSWER_LIMIT }),
}

export interface PingOptions {
  readonly address: URL
  /** Milliseconds. */
  readonly limit: number
}

/** The channel that calls `address`. It has nothing to say of what is no run. */
export function openPing({ address, limit }: PingOptions): Channel {
  return {
    heartbeat: true,
    async send(notification, signal) {
      const suffix = suffixOf(notification.type)
      if (suffix === null || !('runId' in notification)) return
      await post(
        {
          address: call(address, suffix, notification.runId),
          body: wordsOf(notification),
          headers: { 'content-type': 'text/plain; charset=utf-8' },
          limit,
        },
        signal,
      )
    },
  }
}

/**
 * The run as a UUID, as healthchecks wants it to tell runs apart: itself when it is one, else one
 * made from its hash (version 8, RFC 9562).
 */
export function runUuid(run: string): string {
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(run)) return run.toLowerCase()
  const hex = createHash('sha256').update(run).digest('hex')
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 3) | 8).toString(16)
  const groups = [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`]
  return [...groups, `${variant}${hex.slice(17, 20)}`, hex.slice(20, 32)].join('-')
}

function suffixOf(type: Notification['type']): string | null {
  switch (type) {
    case 'backup.started':
      return '/start'
    case 'backup.success':
    case 'backup.recovered':
      return ''
    case 'backup.failed':
      return '/fail'
    case 'verify.failed':
    case 'prune.blocked':
    case 'restore.done':
    case 'restore.failed':
    case 'restore.stranded':
      return null
    default:
      return unreachable(type)
  }
}

function call(address: URL, suffix: string, run: string): URL {
  const called = new URL(address)
  called.pathname = called.pathname.replace(/\/+$/, '') + suffix
  called.searchParams.set('rid', runUuid(run))
  return called
}

/** What the other side shows beside the ping; it keeps 100 kB at most. */
function wordsOf({ title, message, errors }: BackupNotification): string {
  return [title, message, ...(errors === null ? [] : [errors])].join('\n').slice(0, 10_000)
}
