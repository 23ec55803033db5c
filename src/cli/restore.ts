import { createHash } from 'node:crypto'
import { resolve } from 'node:path'
import { sayFarewell } from '../act/announce.ts'
import { type RestoreOptions, resolveReference } from '../act/resolve.ts'
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
  const order = await resolveReference(reference, options, world, context.interrupted)
  await show(order, context, flags)
  if (order.to === null) await confirm('Replace it?', flags, context)
  const done = await underLease(order, world, context.interrupted)
  if (flags.json)
    context.out(
      JSON.stringify(
        {
          restore: {
            id: done.restore.id,
            storagePath: done.restore.key,
            to: done.restore.to,
            previous: done.restore.previous,
            summary: done.staged.summary,
            warnings: done.staged.warnings,
          },
        },
        null,
        2,
      ),
    )
  else tellDone(done, order, context)
  return 0
}

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

async function underLease(
  order: RestoreOrder,
  world: World,
  signal: AbortSignal,
): Promise<Restored> {
  const work = async (held: AbortSignal) => {
    try {
      return await restoreAndTell(order, world, held)
    } finally {
      await sayFarewell(world)
    }
  }
  const { lease, what } = await exclusion(order)
  const asked = { leases: world.leases, patience: PATIENCE }
  const turn = await holdPatiently(asked, lease, signal, (_lease, held) => work(held))
  if (turn.kind === 'busy') throw new LeaseBusy(what, turn.holder)
  return turn.value
}

/** What nobody else may be at meanwhile: the job of the source, or the place that it goes to. */
async function exclusion({ place, to }: RestoreOrder): Promise<{ lease: string; what: string }> {
  if (to === null && place !== null)
    return { lease: `job:${place.job.id}`, what: `job ${place.job.id}` }
  const path = to?.startsWith('/') ? await realOf(to) : (to ?? '')
  // A path is longer than the name of a lease may be.
  return { lease: `place:${createHash('sha256').update(path).digest('hex')}`, what: path }
}

function tellDone(
  { restore: done, staged }: Restored,
  { place, to }: RestoreOrder,
  context: Context,
): void {
  context.out(`restored ${staged.summary}`)
  for (const warning of staged.warnings) context.out(`  ${warning}`)
  if (to !== null || place === null) return
  if (done.previous !== null)
    context.out(`what was there is kept as ${done.previous} until the next successful backup`)
  context.out(
    `a new baseline is owed: the daemon takes it, or: holdfast backup create ${place.job.id}/${place.source.name}`,
  )
}
