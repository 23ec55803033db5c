import type { Channel, Occasion, Subscription } from '../core/model.ts'
import { suggest } from '../lib/suggest.ts'
import type { Block, Item } from './block.ts'
import { blockOf, fault, flag, items, named, options, strings, text } from './block.ts'

const OCCASIONS: readonly Occasion[] = ['failure', 'recovery', 'success']

/** The channels of one level: the system's, or an organization's. */
export function resolveChannels(level: Block, organization: string | null): readonly Channel[] {
  return named(level, 'notify').map(([name, block]) => {
    const kind = text(block, 'type') ?? ''
    checkAddress(block)
    return {
      id: organization === null ? name : `${organization}/${name}`,
      kind,
      options: options(block, ['type', 'on']),
      on: occasionsIn(block) ?? usual(kind),
    }
  })
}

/** A dead man's switch that hears of failures alone would never be quiet. */
function usual(kind: string): readonly Occasion[] {
  return kind === 'ping' ? ['failure', 'success'] : ['failure']
}

function occasionsIn(block: Block): readonly Occasion[] | null {
  if (!block.tree.entries.has('on')) return null
  const declared = strings(block, 'on')
  return OCCASIONS.filter((occasion) => declared.includes(occasion))
}

function checkAddress(block: Block): void {
  const url = block.tree.entries.get('url')?.value
  if (url?.kind !== 'scalar' || typeof url.value !== 'string' || url.value === 'unknown') return
  const parsed = URL.canParse(url.value) ? new URL(url.value) : null
  if (parsed !== null && ['http:', 'https:'].includes(parsed.protocol)) return
  fault(block, 'url', 'must be an address that begins with http:// or https://')
}

/** Whom a job tells of what. */
export function resolveSubscriptions(
  job: Block,
  organization: string | null,
  channels: readonly Channel[],
): readonly Subscription[] {
  const entry = job.tree.entries.get('notify')
  const own = channels.filter(({ id }) => organizationOf(id) === organization)
  const byHabit = organization === null ? [] : own.map(({ id, on }) => ({ channel: id, on }))
  const chosen =
    entry === undefined
      ? byHabit
      : items(job, 'notify').flatMap((item) => subscription(item, job, organization, channels))
  const pings = new Set(channels.flatMap(({ id, kind }) => (kind === 'ping' ? [id] : [])))
  return chosen.map(({ channel, on }) => ({
    channel,
    on: pings.has(channel) ? on : adjusted(on, job),
  }))
}

function organizationOf(channel: string): string | null {
  return channel.includes('/') ? (channel.split('/')[0] ?? null) : null
}

function subscription(
  item: Item,
  job: Block,
  organization: string | null,
  channels: readonly Channel[],
): readonly Subscription[] {
  const block = blockOf(item, job.context)
  const plain = item.tree.kind === 'scalar' ? item.tree.value : null
  const name = block === null ? plain : text(block, 'name')
  if (typeof name !== 'string' || name === '') return []
  const found =
    channels.find(({ id }) => organization !== null && id === `${organization}/${name}`) ??
    channels.find(({ id }) => id === name && !id.includes('/'))
  if (found !== undefined) {
    return [{ channel: found.id, on: (block && occasionsIn(block)) ?? found.on }]
  }
  const near = suggest(
    name,
    channels.map(({ id }) => id.split('/').at(-1) ?? id),
  )
  const place = item.tree.kind === 'scalar' ? item.tree.place : item.place
  const hint = near === null ? 'declare it under "notify"' : `did you mean "${near}"?`
  const isHidden = item.tree.kind === 'scalar' && item.tree.hidden
  const words = isHidden ? 'unknown channel' : `unknown channel "${name}"`
  job.context.faults.add(place, item.path, words, hint)
  return []
}

/** Vardo's two switches, where the job has them: for messages. A ping that hears of no success alarms. */
function adjusted(on: readonly Occasion[], job: Block): readonly Occasion[] {
  const success = flag(job, 'notify_on_success')
  const failure = flag(job, 'notify_on_failure')
  const told = (occasion: Occasion): boolean => {
    if (occasion === 'success' && success !== null) return success
    if (occasion === 'failure' && failure !== null) return failure
    return on.includes(occasion)
  }
  return OCCASIONS.filter(told)
}
