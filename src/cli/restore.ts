import { createHash } from 'node:crypto'
import { resolve } from 'node:path'
import { sayFarewell } from '../act/announce.ts'
import { openedAgain, type RestoreOptions, resolveAll } from '../act/resolve.ts'
import type { Restored } from '../act/restore.ts'
import { restoreAndTell } from '../act/restore-and-tell.ts'
import type { RestoreOrder } from '../act/restore-order.ts'
import { holdPatiently } from '../leases/lease.ts'
import { LeaseBusy, Refused } from '../lib/errors.ts'
import { formatBytes } from '../lib/size.ts'
import { iso } from '../lib/time.ts'
import type { World } from '../observe/world.ts'
import { realOf } from '../platform/paths.ts'
import { confirm } from './confirm.ts'
import type { Context, GlobalFlags } from './context.ts'
import { openForWork } from './opened.ts'
import { PATIENCE } from './patience.ts'
import { type AbandonFlags, restoreAbandon } from './restore-abandon.ts'
import { bootAndBecome } from './restore-boot.ts'

export interface RestoreFlags extends AbandonFlags {
  readonly to?: string
  readonly toVolume?: string
  readonly toDatabase?: string
  readonly only?: string
  readonly inPlace?: boolean
  readonly force?: boolean
  readonly boot?: boolean
  readonly abandon?: string
}

/** `restore REF [--to path] [--only PATH] [--yes]`: shows what it will replace first; all or nothing. */
export async function restore(
  words: readonly string[],
  flags: RestoreFlags & GlobalFlags,
  context: Context,
): Promise<number> {
  if (flags.boot) return await bootAndBecome(words, flags, context)
  if (flags.abandon !== undefined) {
    if (words.length > 0) throw new Refused('name a backup to restore or --abandon, not both')
    return await restoreAbandon(flags.abandon, flags, context)
  }
  const [reference, ...rest] = words
  if (reference === undefined || rest.length > 0) {
    throw new Refused('say what to restore', {
      hint: 'holdfast restore job/source@latest; look at what there is with: holdfast backup list',
    })
  }
  await using opened = await openForWork(flags, context)
  const { world } = opened
  const options: RestoreOptions = {
    to: destinationOf(flags, context),
    only: flags.only ?? null,
    force: flags.force ?? false,
    direct: flags.inPlace ?? false,
  }
  const { orders, leftOut } = await resolveAll(reference, options, world, context.interrupted)
  for (const order of orders) await show(order, context, flags)
  for (const what of leftOut ?? []) context.err(`${what}: it is left as it is`)
  const question = orders.length === 1 ? 'Replace it?' : `Replace these ${orders.length}?`
  if (options.to === null) await confirm(question, flags, context)
  const all = await underLease(orders, world, context)
  if (flags.json) {
    const told = all.map(({ restored }) => documentOf(restored))
    // Several were asked for by naming their job alone.
    const document = leftOut === null ? { restore: told[0] } : { restores: told, leftOut }
    context.out(JSON.stringify(document, null, 2))
  } else tellDone(all, (line) => context.out(line))
  return 0
}

/** An order that was carried out. */
interface Done {
  readonly order: RestoreOrder
  readonly restored: Restored
}

const documentOf = ({ restore: done, staged }: Restored) => ({
  id: done.id,
  storagePath: done.key,
  to: done.to,
  previous: done.previous,
  summary: staged.summary,
  warnings: staged.warnings,
})

/** Null: into the source itself. */
function destinationOf(flags: RestoreFlags, { cwd }: Context): string | null {
  const { to, toVolume, toDatabase } = flags
  if ([to, toVolume, toDatabase].filter((one) => one !== undefined).length > 1) {
    throw new Refused('--to, --to-volume and --to-database exclude each other')
  }
  if (toVolume !== undefined) return `volume:${toVolume}`
  if (toDatabase !== undefined) return `database:${toDatabase}`
  return to === undefined ? null : resolve(cwd, to)
}

async function show(order: RestoreOrder, context: Context, flags: GlobalFlags): Promise<void> {
  const { archive, source } = order
  const task = {
    to: order.to,
    only: order.only,
    facts: archive.manifest?.source.facts ?? {},
    force: order.force,
    direct: order.direct,
  }
  const now = await source.describe(task, context.interrupted)
  if (flags.json || flags.quiet) return
  const taken = archive.manifest ? `, taken ${iso(archive.manifest.finished)}` : ''
  const size = archive.bytes === null ? '' : ` (${formatBytes(archive.bytes)}${taken})`
  const from = archive.target ? ` from ${archive.target}` : ''
  context.err(`restore ${archive.name}${size}${from}`)
  context.err(`     to ${now.to}, where there is now: ${now.now}`)
  for (const remark of now.remarks) context.err(`        ${remark}`)
}

/** One after the other, with nobody else at their job in between. */
async function underLease(
  orders: readonly RestoreOrder[],
  world: World,
  context: Context,
): Promise<readonly Done[]> {
  const [first] = orders
  if (first === undefined) return []
  const work = async (held: AbortSignal) => {
    const done: Done[] = []
    try {
      for (const order of await openedAll(orders, world, held)) {
        done.push({ order, restored: await restoreAndTell(order, world, held) })
      }
      return done
    } catch (error) {
      if (orders.length > 1) tellStopped(done, orders, context)
      throw error
    } finally {
      await sayFarewell(world)
    }
  }
  const { lease, what } = await exclusion(first)
  const asked = { leases: world.leases, patience: PATIENCE }
  const turn = await holdPatiently(asked, lease, context.interrupted, (_lease, held) => work(held))
  if (turn.kind === 'busy') throw new LeaseBusy(what, turn.holder)
  return turn.value
}

/** That the last of several is there still is known before the first of them replaces anything. */
async function openedAll(
  orders: readonly RestoreOrder[],
  world: World,
  signal: AbortSignal,
): Promise<readonly RestoreOrder[]> {
  if (orders.length === 1) return orders
  const opened: RestoreOrder[] = []
  for (const order of orders) opened.push(await openedAgain(order, world, signal))
  return opened
}

/** Each is all or nothing, several are not. */
function tellStopped(
  done: readonly Done[],
  orders: readonly RestoreOrder[],
  context: Context,
): void {
  tellDone(done, (line) => context.err(line))
  const names = orders.map(({ place, reference }) => (place ? placeName(place) : reference))
  const [failed = '', ...rest] = names.slice(done.length)
  const later = rest.length === 0 ? '' : `; not begun: ${rest.join(', ')}`
  context.err(`${failed} was not restored${later}`)
}

const placeName = ({ job, source }: NonNullable<RestoreOrder['place']>) =>
  `${job.id}/${source.name}`

/** What nobody else may be at meanwhile: the job of the source, or the place that it goes to. */
async function exclusion({ place, to }: RestoreOrder): Promise<{ lease: string; what: string }> {
  if (to === null && place !== null)
    return { lease: `job:${place.job.id}`, what: `job ${place.job.id}` }
  const path = to?.startsWith('/') ? await realOf(to) : (to ?? '')
  // A path is longer than the name of a lease may be.
  return { lease: `place:${createHash('sha256').update(path).digest('hex')}`, what: path }
}

function tellDone(all: readonly Done[], say: (line: string) => void): void {
  for (const { order, restored } of all) {
    const { restore: done, staged } = restored
    say(`restored ${staged.summary}`)
    for (const warning of staged.warnings) say(`  ${warning}`)
    if (order.to === null && done.previous !== null)
      say(`what was there is kept as ${done.previous} until the next successful backup`)
  }
  const [first, ...others] = all
  if (!first?.order.place || first.order.to !== null) return
  const what = others.length === 0 ? placeName(first.order.place) : first.order.place.job.id
  say(`a new baseline is owed: the daemon takes it, or: holdfast backup create ${what}`)
}
