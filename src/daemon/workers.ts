import type { ActionKind } from '../core/action.ts'
import type { JobId } from '../core/model.ts'
import { Interrupted, LeaseLost, messageOf, reportOf, StateRefused } from '../lib/errors.ts'
import type { World } from '../observe/world.ts'
import { type Cooling, cooled, restOf, type TurnResult } from './cooling.ts'
import type { Worker } from './emptying.ts'
import type { Asking } from './line.ts'
import { tellBroken } from './stock.ts'
import { type Outcome, PATIENT, type TurnRequest, takeTurn } from './turn.ts'

/** A job that gets a turn. */
export interface Owing {
  readonly job: JobId
  /** Whether it is known to be owed something; a turn that then does nothing came to nothing. */
  readonly isOwed: boolean
  readonly asking: Asking
  readonly onHeld: () => Promise<boolean>
  /** What may be done in it. */
  readonly kinds: ReadonlySet<ActionKind>
}

/**
 * Turns under way, each job at most one. A job is idle, or has a worker; a failed turn makes it
 * `cooling` until an instant, so that the loop never spins on what it cannot do.
 */
export interface Workers {
  readonly running: ReadonlyMap<JobId, Worker>
  /** The turn of a job that is under way, also under the name that it had before a reload. */
  of(job: JobId, world: World): Worker | undefined
  start(owing: Owing, world: World, stop: AbortSignal): void
  /** For how many milliseconds the job still waits after a turn that came to nothing. */
  restOf(job: JobId, urgency: 'urgent' | 'patient'): number
}

/** Nothing is under way; `ended` hears of each turn that is over. */
export function createWorkers(ended: (job: JobId) => void): Workers {
  const running = new Map<JobId, Worker>()
  const cooling = new Map<JobId, Cooling>()
  return {
    running,
    of(job, { desired }) {
      const worker = running.get(job)
      if (worker || running.size === 0) return worker
      const former = desired.jobs.find(({ id }) => id === job)?.renamedFrom
      return former ? running.get(former) : undefined
    },
    start({ job, isOwed, asking, onHeld, kinds }, world, stop) {
      const giveWay = new AbortController()
      let doing: ActionKind | null = null
      const onBegin = (kind: ActionKind) => {
        doing = kind
      }
      const { onRoom } = asking
      const asked = { job, giveWay: giveWay.signal, onRoom, onBegin, onHeld, isOwed, kinds }
      const done = turn(asked, world, stop)
        .then((result) => {
          if (result === 'well') cooling.delete(job)
          else if (result !== 'full') cooling.set(job, cooled(cooling.get(job), result))
        })
        .finally(() => {
          running.delete(job)
          asking.over()
          ended(job)
        })
      running.set(job, { done, giveWay, isPatient: () => doing !== null && PATIENT.has(doing) })
    },
    restOf: (job, urgency) => restOf(cooling.get(job), urgency),
  }
}

/** Ends one verify or copy of these for a backup that is due, unless one is ending already. */
export function makeRoom(workers: readonly Worker[]): void {
  const patient = workers.filter(({ isPatient }) => isPatient())
  if (patient.some(({ giveWay }) => giveWay.signal.aborted)) return
  patient[0]?.giveWay.abort(new Interrupted('a backup is due'))
}

type Asked = Pick<TurnRequest, 'job' | 'giveWay' | 'onBegin' | 'onHeld' | 'kinds'> &
  Pick<Owing, 'isOwed'> &
  Pick<Asking, 'onRoom'>

async function turn(
  { isOwed, ...asked }: Asked,
  world: World,
  stop: AbortSignal,
): Promise<TurnResult> {
  try {
    const request = {
      ...asked,
      first: null,
      pruneConfirmed: false,
      patience: 0,
    }
    const result = await takeTurn(request, world, stop)
    // The state took it: the next refusal is news again, also in the same words.
    world.news(refusedKey(asked.job), '')
    if (result.kind === 'busy') return 'target' in result ? 'full' : 'busy'
    const failed = result.value.flatMap((one) =>
      one.kind === 'failed' && !(one.error instanceof Interrupted) ? [one] : [],
    )
    for (const outcome of failed) tellFailed(outcome, world)
    // Owed something and able to do nothing, as on a target that is away: to be asked again later.
    const idle = isOwed && result.value.length === 0
    return failed.length > 0 || idle ? 'failed' : 'well'
  } catch (error) {
    if (error instanceof LeaseLost) tellLost(asked.job, error, world)
    else if (!stop.aborted && isNews(asked.job, error, world)) {
      tellBroken(`the turn of job ${asked.job}`, error, world)
    }
    // Nothing of the job's own was wrong, and the loop itself waits until the state is back.
    return error instanceof StateRefused ? 'busy' : 'broke'
  }
}

/** A state that takes nothing is told once for each job, not each time that the job tries. */
function isNews(job: JobId, error: unknown, world: World): boolean {
  return !(error instanceof StateRefused) || world.news(refusedKey(job), messageOf(error))
}

function refusedKey(job: JobId): string {
  return `turn refused ${job}`
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
