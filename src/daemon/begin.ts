import type { Action, ActionKind } from '../core/action.ts'
import type { Instant, JobId } from '../core/model.ts'
import type { World } from '../observe/world.ts'
import type { Agenda } from './agenda.ts'
import type { Asking, Line, Standing } from './line.ts'
import type { Placing } from './placing.ts'
import type { Surroundings } from './stock.ts'
import { EVERY_KIND } from './turn.ts'
import { makeRoom, type Workers } from './workers.ts'

/** A clock that was set is noticed after this long at the latest. */
export const LONGEST_SLEEP = 15_000
/** A slot that comes while its job runs is recorded as skipped within this. */
const LOOK_WHILE_RUNNING = 5_000

/** What is not about files of one host, or has asked before. */
const WITHOUT_BACKUPS: ReadonlySet<ActionKind> = new Set(
  [...EVERY_KIND].filter((kind) => !['backup', 'skip', 'release'].includes(kind)),
)

/** A job that wants a turn. */
export interface Due {
  readonly job: JobId
  readonly actions: readonly Action[]
  /** Whether somebody left an attempt of it behind. */
  readonly isLeft: boolean
}

export interface Beginning extends Pick<Surroundings, 'world' | 'stop'> {
  readonly workers: Workers
  readonly agenda: Agenda
  readonly placing: Placing
  readonly line: Line
  /** Jobs that an inventory found work for: until they are given a turn. */
  readonly wanted: Set<JobId>
  readonly cut: () => AbortSignal
}

/** Starts what may be started; `full` when there is no room for more. */
export type Begin = (due: Due) => Promise<'gone-on' | 'full'>

/** Gives a turn to whoever is due, or says when to look at it again. */
export function beginning(parts: Beginning): Begin {
  const { world, stop, workers, agenda, placing, line, wanted, cut } = parts
  const putOff = (job: JobId, millis: number): 'gone-on' => {
    const now = world().now()
    agenda.set(job, (now + millis) as Instant, now)
    return 'gone-on'
  }
  return async ({ job, actions, isLeft }) => {
    const isUrgent = areUrgent(actions)
    const worker = workers.of(job, world())
    if (worker && isUrgent) makeRoom([worker])
    if (worker) return putOff(job, LOOK_WHILE_RUNNING)
    const current = world()
    const standing: Standing = { job, urgency: isUrgent ? 'urgent' : 'patient' }
    const delay = await delayOf(standing, parts, current)
    if (delay > 0) return putOff(job, delay)
    if (workers.running.size >= current.desired.limits.concurrency) {
      if (isUrgent || isLeft) makeRoom([...workers.running.values()])
      return 'full'
    }
    const asking = wantedStill(line.ask(standing, current), job, wanted)
    putOff(job, LOOK_WHILE_RUNNING)
    const onHeld = async () => !isUrgent || (await placing.settle(job, current))
    // What an inventory saw may be done by now; what the state tells is not.
    // Where others may be rather to run it, its source is touched only by who has asked whether it is its own.
    const kinds = isUrgent || current.fleet === null ? EVERY_KIND : WITHOUT_BACKUPS
    const request = { job, isOwed: isLeft || actions.length > 0, asking, onHeld, kinds }
    workers.start(request, current, AbortSignal.any([stop, cut()]))
    return 'gone-on'
  }
}

/** For how many milliseconds the job is not to begin; 0: it may. */
async function delayOf(
  { job, urgency }: Standing,
  { workers, placing, line }: Beginning,
  world: World,
): Promise<number> {
  // What makes it wait may spare the slot that comes meanwhile.
  const rest = Math.min(workers.restOf(job, urgency), LONGEST_SLEEP)
  const mayBeOthers = rest === 0 && urgency === 'urgent'
  const delay = mayBeOthers ? await placing.patience(job, world) : rest
  if (delay === 0) return line.wait({ job, urgency }, world)
  line.leave(job)
  return delay
}

/** The job is wanted no more, unless its turn finds a target full. */
function wantedStill(asking: Asking, job: JobId, wanted: Set<JobId>): Asking {
  const wasWanted = wanted.delete(job)
  return {
    ...asking,
    onRoom(full) {
      if (full !== null && wasWanted) wanted.add(job)
      asking.onRoom(full)
    },
  }
}

/** Whether a backup is among them. */
export function areUrgent(actions: readonly Action[]): boolean {
  return actions.some(({ kind }) => kind === 'backup')
}
