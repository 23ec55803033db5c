import { skip } from '../act/skip.ts'
import type { Action, ActionKind } from '../core/action.ts'
import type { Instant, JobId, Millis } from '../core/model.ts'
import type { Observed } from '../core/observed.ts'
import { ownersIn } from '../core/owner.ts'
import { plan } from '../core/plan.ts'
import { backoff } from '../core/retry.ts'
import { nextSlot } from '../core/schedule.ts'
import { count } from '../lib/count.ts'
import { Interrupted, LeaseLost, messageOf, reportOf } from '../lib/errors.ts'
import { startTimer } from '../lib/limits.ts'
import { formatDuration } from '../lib/time.ts'
import { observe } from '../observe/observe.ts'
import type { World } from '../observe/world.ts'
import { applyConfig, isConfigAction } from './apply.ts'
import { type Cooling, cooled, isCooling, type TurnResult } from './cooling.ts'
import { recoverRestores } from './recover.ts'
import { createStock, type Stock, type Surroundings, tellBroken } from './stock.ts'
import { EVERY_KIND, type Outcome, PATIENT, type TurnRequest, takeTurn } from './turn.ts'
import type { Wake } from './wake.ts'

/** A clock that was set is noticed after this long at the latest. */
const LONGEST_SLEEP = 15_000
/** However soon a retry is wanted. */
const SHORTEST_SLEEP = 1_000

/** One job's turn under way. */
interface Worker {
  readonly done: Promise<void>
  readonly giveWay: AbortController
  /** True while it is at work that can wait. */
  readonly isPatient: () => boolean
}

/** What the loop knows between passes; lost at a restart without harm. */
export interface Dispatch {
  /** Looks once, and starts a turn for each job that is owed one. Resolves when all are started. */
  pass(): Promise<void>
  /** Until the next moment that is known to matter, at most `limit` milliseconds. */
  pause(limit: number | null): Promise<void>
  /** Look at whole targets at the next pass. */
  askInventory(): void
  /** Ends what can wait and resolves when all under way has ended. */
  settle(): Promise<void>
  /**
   * Starts no more turns, ends what can wait, and aborts what runs after `timeout`. Resolves once
   * nothing runs. A second one while draining joins the first.
   */
  drain(timeout: Millis): Promise<'drained' | 'handed-over'>
  /** Starts turns again. */
  undrain(): void
  isDraining(): boolean
}

/**
 * Gives turns to jobs, as many at once as `limits.concurrency` says, each job at most one.
 *
 * A job is idle, or has a worker; a failed turn makes it `cooling` until an instant, so that the
 * loop never spins on what it cannot do.
 */
export function createDispatch({ world, wake, stop, vitals }: Surroundings): Dispatch {
  const workers = new Map<JobId, Worker>()
  const cooling = new Map<JobId, Cooling>()
  const wanted = new Set<JobId>()
  const stock = createStock({ world, wake, stop, ...(vitals ? { vitals } : {}) }, wanted)

  const start = (job: JobId, actions: readonly Action[]): void => {
    const giveWay = new AbortController()
    let doing: ActionKind | null = null
    const onBegin = (kind: ActionKind) => {
      doing = kind
    }
    const asked = { job, giveWay: giveWay.signal, onBegin, owed: actions.length }
    const done = turn(asked, world(), AbortSignal.any([stop, draining.cut()]))
      .then((result) => {
        if (result === 'well') cooling.delete(job)
        else cooling.set(job, cooled(cooling.get(job), result))
      })
      .finally(() => {
        workers.delete(job)
        wake.wake()
      })
    workers.set(job, { done, giveWay, isPatient: () => doing !== null && PATIENT.has(doing) })
  }

  const draining = createDraining(workers, stock, wake)

  return {
    ...draining,
    async pass() {
      if (draining.isDraining()) return
      stock.takeWhenDue()
      const owed = await look(world(), { workers, wanted, vitals }, stop)
      // Told to drain while it looked: nothing is begun any more.
      if (draining.isDraining()) return
      for (const [job, actions] of urgentFirst(owed)) {
        const urgency = isUrgent(actions) ? 'urgent' : 'patient'
        const worker = workers.get(job)
        if (worker && urgency === 'urgent') makeRoom([worker])
        if (worker || isCooling(cooling.get(job), urgency)) continue
        if (workers.size >= world().desired.limits.concurrency) {
          if (urgency === 'urgent') makeRoom([...workers.values()])
          break
        }
        wanted.delete(job)
        start(job, actions)
      }
    },
    pause: (limit) => wake.wait(Math.min(limit ?? LONGEST_SLEEP, untilNext(world())), stop),
    askInventory: stock.ask,
  }
}

/** The end of work, for a while or for good. */
function createDraining(
  workers: ReadonlyMap<JobId, Worker>,
  stock: Stock,
  { wake }: Wake,
): Pick<Dispatch, 'settle' | 'drain' | 'undrain' | 'isDraining'> & { cut(): AbortSignal } {
  let draining: Promise<'drained' | 'handed-over'> | null = null
  let cut = new AbortController()
  const settle = async (): Promise<void> => {
    for (const { giveWay } of workers.values()) giveWay.abort(new Interrupted('the daemon drains'))
    await Promise.all([...workers.values()].map(({ done }) => done))
    await stock.taken()
  }
  const empty = async (timeout: Millis) => {
    const { signal } = cut
    const timer = startTimer(timeout, () =>
      cut.abort(new Interrupted(`the drain took longer than ${formatDuration(timeout)}`)),
    )
    await settle()
    timer.cancel()
    return signal.aborted ? 'handed-over' : 'drained'
  }
  return {
    settle,
    cut: () => cut.signal,
    drain(timeout) {
      draining ??= empty(timeout)
      return draining
    },
    undrain() {
      draining = null
      cut = new AbortController()
      wake()
    },
    isDraining: () => draining !== null,
  }
}

/** Ends one verify or copy of these for a backup that is due, unless one is ending already. */
function makeRoom(workers: readonly Worker[]): void {
  const patient = workers.filter(({ isPatient }) => isPatient())
  if (patient.some(({ giveWay }) => giveWay.signal.aborted)) return
  patient[0]?.giveWay.abort(new Interrupted('a backup is due'))
}

/** The jobs that are owed a turn, with what the history alone says they are owed. */
async function look(
  world: World,
  {
    workers,
    wanted,
    vitals,
  }: {
    readonly workers: ReadonlyMap<JobId, Worker>
    readonly wanted: Iterable<JobId>
    readonly vitals: Surroundings['vitals'] | undefined
  },
  signal: AbortSignal,
): Promise<ReadonlyMap<JobId, readonly Action[]>> {
  const observed = await observe(HISTORY, world, signal)
  vitals?.looked(observed.history)
  if (hasOrphans(observed)) await recoverRestores(world, signal)
  const owed = new Map<JobId, Action[]>([...wanted].map((job) => [job, []]))
  const { actions } = plan(world.desired, observed, world.now())
  if (actions.some(isConfigAction)) await applyAgain(world, signal)
  const ownerOf = ownersIn(observed)
  for (const action of actions) {
    const owner = ownerOf(action)
    if (owner === null || !EVERY_KIND.has(action.kind)) continue
    // Its job holds the lease and runs: the slot is recorded from here, not under that lease.
    if (action.kind === 'skip' && workers.has(owner)) await skip(action, world)
    else owed.set(owner, [...(owed.get(owner) ?? []), action])
  }
  return owed
}

/** Restores whose command died in the middle: their sources are not touched until that is settled. */
function hasOrphans({ history, alive }: Observed): boolean {
  return history.restores.some(
    ({ status, instance }) => status === 'running' && !alive.has(instance),
  )
}

/** Somebody applied another file to this state: for this daemon its own is the truth, and its jobs owe their slots. */
async function applyAgain(world: World, signal: AbortSignal): Promise<void> {
  const changes = await applyConfig(world, signal)
  if (changes.length === 0) return
  world.report({
    event: 'plan.made',
    level: 'warn',
    message: `another config was applied to this state meanwhile: applied this one again (${count(changes.length, 'change', 'changes')})`,
    detail: { changes: changes.map(({ kind, subject }) => ({ kind, subject })) },
  })
}

const HISTORY = {
  jobs: null,
  depth: 'history',
  pruneConfirmed: false,
  restoreRequested: null,
} as const

async function turn(
  { owed, ...asked }: Pick<TurnRequest, 'job' | 'giveWay' | 'onBegin'> & { readonly owed: number },
  world: World,
  stop: AbortSignal,
): Promise<TurnResult> {
  try {
    const request = {
      ...asked,
      first: null,
      kinds: EVERY_KIND,
      pruneConfirmed: false,
      patience: 0,
    }
    const result = await takeTurn(request, world, stop)
    if (result.kind === 'busy') return 'busy'
    const failed = result.value.flatMap((one) =>
      one.kind === 'failed' && !(one.error instanceof Interrupted) ? [one] : [],
    )
    for (const outcome of failed) tellFailed(outcome, world)
    // Owed something and able to do nothing, as on a target that is away: to be asked again later.
    const idle = owed > 0 && result.value.length === 0
    return failed.length > 0 || idle ? 'failed' : 'well'
  } catch (error) {
    if (error instanceof LeaseLost) tellLost(asked.job, error, world)
    else if (!stop.aborted) tellBroken(`the turn of job ${asked.job}`, error, world)
    return 'broke'
  }
}

function tellLost(job: JobId, error: LeaseLost, world: World): void {
  world.report({
    event: 'lease.lost',
    level: 'error',
    message: `the turn of job ${job} was stopped: ${error.message}`,
    job,
    error: reportOf(error),
  })
}

function tellFailed({ action, error }: Extract<Outcome, { kind: 'failed' }>, world: World): void {
  // These tell their own failure, with the copy's name.
  if (PATIENT.has(action.kind)) return
  world.report({
    event: 'pass.failed',
    level: 'error',
    message: `${action.kind} of ${action.subject} failed: ${messageOf(error)}`,
    error: reportOf(error),
    detail: { action: action.kind, subject: action.subject },
  })
}

function isUrgent(actions: readonly Action[]): boolean {
  return actions.some(({ kind }) => kind === 'backup')
}

function urgentFirst(
  owed: ReadonlyMap<JobId, readonly Action[]>,
): readonly (readonly [JobId, readonly Action[]])[] {
  const entries = [...owed]
  return [
    ...entries.filter(([, actions]) => isUrgent(actions)),
    ...entries.filter(([, actions]) => !isUrgent(actions)),
  ]
}

/** Milliseconds to the next slot of any job, bounded so that no retry comes late. */
function untilNext({ desired, now }: World): number {
  const at = now()
  let next = at + LONGEST_SLEEP
  for (const { schedule, enabled, retry } of desired.jobs) {
    next = Math.min(next, at + Math.max(SHORTEST_SLEEP, backoff(1, retry)))
    const slot = schedule && enabled ? nextSlot(schedule, at as Instant) : null
    if (slot !== null && slot < next) next = slot as typeof next
  }
  // Timers may fire a millisecond early, and a slot is due at its instant, not before.
  return next - at + 2
}
