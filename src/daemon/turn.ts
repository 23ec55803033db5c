import { act, type Deed, type JobOwned } from '../act/act.ts'
import { finishDeletes, openDeletes } from '../act/finish-deletes.ts'
import type { Action, ActionKind } from '../core/action.ts'
import type { JobId, TargetId } from '../core/model.ts'
import { narrowObserved } from '../core/narrow.ts'
import type { Observed } from '../core/observed.ts'
import { ownersIn } from '../core/owner.ts'
import { plan } from '../core/plan.ts'
import { holdPatiently, type Lease, type Turn } from '../leases/lease.ts'
import { messageOf, reportOf } from '../lib/errors.ts'
import { observe } from '../observe/observe.ts'
import type { World } from '../observe/world.ts'
import { type Full, takeRoom } from './room.ts'

/** Observing, planning and acting again after this many backups would be a loop of our own making. */
const ROUNDS = 6

/** What one job is to be given a turn for. */
export interface TurnRequest {
  readonly job: JobId
  /** Done first, without a plan: what a person asked for. */
  readonly first: ((lease: Lease, signal: AbortSignal) => Promise<Outcome>) | null
  /** Kinds of planned actions to do; the rest of the plan is left to others. */
  readonly kinds: ReadonlySet<ActionKind>
  readonly pruneConfirmed: boolean
  /** Ends work that can wait: a verify gives way to a due backup and to a drain. */
  readonly giveWay: AbortSignal
  /** Hears of the target that is full, or null once there is a place on each. */
  readonly onRoom?: (full: TargetId | null) => void
  /** Asked under the lease: false leaves the job to somebody else. */
  readonly onHeld?: () => Promise<boolean>
  /** Hears of each planned action as it begins. */
  readonly onBegin?: (kind: ActionKind) => void
  /** How long to wait for whoever holds the job, in milliseconds. */
  readonly patience: number
}

export type Outcome = { readonly action: JobOwned } & (
  | { readonly kind: 'done'; readonly deed: Deed }
  | { readonly kind: 'failed'; readonly error: unknown }
)

/**
 * Observes, plans and acts for one job, under its lease. A plan is made under the lease that it is
 * acted on, and used once: after a backup the world is looked at again.
 */
export async function takeTurn(
  request: TurnRequest,
  world: World,
  signal: AbortSignal,
): Promise<Turn<readonly Outcome[]> | Full> {
  const asked = { leases: world.leases, patience: request.patience }
  const room = await takeRoom(request.job, world)
  request.onRoom?.(room.kind === 'busy' ? room.target : null)
  if (room.kind === 'busy') return room
  await using _room = room
  const roomy = AbortSignal.any([signal, room.signal])
  return await holdPatiently(asked, `job:${request.job}`, roomy, async (lease, held) => {
    tellTaken(request.job, lease, world)
    if ((await request.onHeld?.()) === false) return []
    await finishOwnDeletes(request.job, world, held)
    const outcomes: Outcome[] = []
    if (request.first) outcomes.push(await request.first(lease, held))
    for (let round = 0; round < ROUNDS && !request.giveWay.aborted; round++) {
      const done = await converge(request, { outcomes, lease }, world, held)
      if (done === 'settled') break
    }
    return outcomes
  })
}

/** What a turn before this one began to delete and could not: under the lease nobody else is at it. */
async function finishOwnDeletes(job: JobId, world: World, signal: AbortSignal): Promise<void> {
  try {
    const entries = (await openDeletes(world)).get(job)
    if (entries) await finishDeletes(entries, world, signal)
  } catch (error) {
    signal.throwIfAborted()
    if (!world.news(`deletes ${job}`, messageOf(error))) return
    world.report({
      event: 'pass.failed',
      level: 'error',
      message: `a deletion of job ${job} is begun and not finished: ${messageOf(error)}`,
      job,
      error: reportOf(error),
    })
  }
}

function tellTaken(job: JobId, { name, fence }: Lease, world: World): void {
  world.report({
    event: 'lease.taken',
    level: 'debug',
    message: `took the lease ${name}`,
    job,
    detail: { lease: name, fence },
  })
}

interface Progress {
  readonly outcomes: Outcome[]
  readonly lease: Lease
}

/** One look and what it asks for. `again` after a backup, because then the world has changed. */
async function converge(
  request: TurnRequest,
  { outcomes, lease }: Progress,
  world: World,
  signal: AbortSignal,
): Promise<'settled' | 'again'> {
  const scope = {
    jobs: [request.job],
    depth: 'groups',
    pruneConfirmed: request.pruneConfirmed,
    restoreRequested: null,
    underLease: true,
  } as const
  const observed = await observe(scope, world, signal)
  const tried = new Set(outcomes.map(({ action }) => nameOf(action)))
  const part = world.part(new Set([request.job]))
  const { actions: planned } = plan(part, narrowObserved(observed, part), world.now())
  const actions = owned(planned, request, observed).filter((action) => !tried.has(nameOf(action)))
  let learned = false
  for (const action of actions) {
    if (request.giveWay.aborted) return 'settled'
    // What is deleted is decided by a look that knows what was learned just now.
    if (action.kind === 'prune' && learned) return 'again'
    learned ||= LEARNING.has(action.kind)
    outcomes.push(await attempt(action, request, { world, lease }, signal))
    if (action.kind === 'backup') return 'again'
  }
  return actions.length === 0 ? 'settled' : 'again'
}

/** After these the history tells other things of the copies than it did before. */
const LEARNING: ReadonlySet<ActionKind> = new Set(['verify', 'missing', 'adopt', 'abandon', 'copy'])

function owned(
  actions: readonly Action[],
  request: TurnRequest,
  observed: Observed,
): readonly JobOwned[] {
  const ownerOf = ownersIn(observed)
  return actions.filter(
    (action): action is JobOwned =>
      request.kinds.has(action.kind) && ownerOf(action) === request.job,
  )
}

/** Work that gives way to a due backup and to a drain. */
export const PATIENT: ReadonlySet<ActionKind> = new Set(['verify', 'copy'])

/** The failure of an action is a value: it must not cost the next one its turn. */
async function attempt(
  action: JobOwned,
  request: TurnRequest,
  { world, lease }: { readonly world: World; readonly lease: Lease },
  signal: AbortSignal,
): Promise<Outcome> {
  const canWait = PATIENT.has(action.kind)
  const bounded = canWait ? AbortSignal.any([signal, request.giveWay]) : signal
  request.onBegin?.(action.kind)
  try {
    return { action, kind: 'done', deed: await act(action, world, lease, bounded) }
  } catch (error) {
    signal.throwIfAborted()
    return { action, kind: 'failed', error: bounded.aborted ? bounded.reason : error }
  }
}

/** Tells actions of one turn apart, so that what failed is not tried again in the same turn. */
function nameOf(action: JobOwned): string {
  switch (action.kind) {
    case 'backup':
      return `backup ${action.slot ?? action.because.rule} ${action.attempt}`
    case 'verify':
    case 'missing':
      return `${action.kind} ${action.copy.target} ${action.copy.key}`
    case 'adopt':
      return `adopt ${action.subject} ${action.key}`
    case 'copy':
      return `copy ${action.target} ${action.from.backup}`
    case 'prune':
    case 'prune-blocked':
      return `prune ${action.target} ${action.group}`
    case 'debris':
      return `debris ${action.subject} ${action.object.kind} ${action.backup}`
    case 'abandon':
      return `abandon ${action.backup}`
    case 'skip':
      return `skip ${action.slot}`
    case 'release':
      return `release ${action.restore.id}`
  }
}

/** Everything that a daemon does for a job by itself. */
export const EVERY_KIND: ReadonlySet<ActionKind> = new Set([
  'backup',
  'skip',
  'abandon',
  'adopt',
  'missing',
  'debris',
  'copy',
  'verify',
  'prune',
  'prune-blocked',
  'release',
])
