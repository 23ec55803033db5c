import { act } from '../act/act.ts'
import type { Action } from '../core/action.ts'
import type { Instant, JobId } from '../core/model.ts'
import { plan, pruneOlderThan } from '../core/plan.ts'
import { holdPatiently, type Lease } from '../leases/lease.ts'
import { LeaseBusy, Refused } from '../lib/errors.ts'
import { parseDuration } from '../lib/time.ts'
import { observe } from '../observe/observe.ts'
import type { World } from '../observe/world.ts'
import { renderActions } from '../view/human.ts'
import { planJson } from '../view/json.ts'
import { confirm } from './confirm.ts'
import type { Context, GlobalFlags } from './context.ts'
import { openForWork } from './opened.ts'
import { PATIENCE } from './patience.ts'
import { subjectsOf } from './subjects.ts'

export interface PruneFlags {
  readonly olderThan?: string
  readonly yes?: boolean
}

type Pruning = Extract<Action, { kind: 'prune' | 'prune-blocked' }>

/**
 * `backup prune [job…] [--older-than 60d]`: shows each copy that would go and why the others stay,
 * asks, and deletes. The yes also lifts the guards against large and suspicious deletions.
 */
export async function prune(
  words: readonly string[],
  flags: PruneFlags & GlobalFlags,
  context: Context,
): Promise<number> {
  const before = cutoff(flags, context)
  await using opened = await openForWork(flags, context)
  const { world } = opened
  const color = context.terminal.color && flags.color
  const jobs = subjectsOf(words, world.desired.jobs).map(({ job }) => job.id)
  const shown = await look(jobs, before, world, context.interrupted)
  if (!flags.json)
    context.out(shown.length === 0 ? 'nothing to prune' : renderActions(shown, { color }))
  if (shown.length > 0) {
    if (shown.every(({ kind }) => kind === 'prune-blocked')) refuseBlocked()
    await confirm('Delete these copies?', flags, context)
    for (const job of jobs) await pruneJob(job, before, world, context.interrupted)
  }
  if (flags.json)
    context.out(JSON.stringify(planJson({ actions: shown, warnings: [], kept: [] }), null, 2))
  return 0
}

function refuseBlocked(): never {
  throw new Refused('everything that retention would delete is blocked', {
    hint: 'take a backup that succeeds first: holdfast backup create',
  })
}

function cutoff({ olderThan }: PruneFlags, context: Context): Instant | null {
  if (olderThan === undefined) return null
  const age = parseDuration(olderThan)
  if (age === null)
    throw new Refused(`"${olderThan}" is no duration`, { hint: 'write it as 60d, 2w or 12mo' })
  return (context.now() - age) as Instant
}

/** Asked again under the lease, so that what is deleted is what is planned at that moment. */
async function look(
  jobs: readonly JobId[],
  before: Instant | null,
  world: World,
  signal: AbortSignal,
): Promise<readonly Pruning[]> {
  const scope = { jobs, depth: 'groups', pruneConfirmed: true, restoreRequested: null } as const
  const observed = await observe(scope, world, signal)
  const { actions } =
    before === null
      ? plan(world.desired, observed, world.now())
      : pruneOlderThan(world.desired, observed, before, world.now(), jobs)
  return actions.filter(
    (action): action is Pruning =>
      (action.kind === 'prune' || action.kind === 'prune-blocked') && jobs.includes(action.subject),
  )
}

async function pruneJob(
  job: JobId,
  before: Instant | null,
  world: World,
  signal: AbortSignal,
): Promise<void> {
  const asked = { leases: world.leases, patience: PATIENCE }
  const turn = await holdPatiently(asked, `job:${job}`, signal, async (lease: Lease, held) => {
    for (const action of await look([job], before, world, held))
      await act(action, world, lease, held)
  })
  if (turn.kind === 'busy') throw new LeaseBusy(`job ${job}`, turn.holder)
}
