import type { Action, ActionKind } from '../core/action.ts'
import type { Instant, JobId } from '../core/model.ts'
import { createEmptying, type Emptying } from './emptying.ts'
import { createLooking, type Look } from './looking.ts'
import { createPlacing } from './placing.ts'
import { createStock, type Surroundings } from './stock.ts'
import { EVERY_KIND } from './turn.ts'
import { createWorkers, makeRoom } from './workers.ts'

/** A clock that was set is noticed after this long at the latest. */
const LONGEST_SLEEP = 15_000
/** However soon something is due that could not be begun; the end of a turn ends the wait. */
const SHORTEST_SLEEP = 1_000
/** A slot that comes while its job runs is recorded as skipped within this. */
const LOOK_WHILE_RUNNING = 5_000

/** What is not about files of one host, or has asked before. */
const WITHOUT_BACKUPS: ReadonlySet<ActionKind> = new Set(
  [...EVERY_KIND].filter((kind) => !['backup', 'skip', 'release'].includes(kind)),
)

/** What the loop knows between passes; lost at a restart without harm. */
export interface Dispatch extends Emptying {
  /** Looks once, and starts a turn for each job that is owed one. Resolves when all are started. */
  pass(): Promise<void>
  /** Until the next moment that is known to matter, at most `limit` milliseconds. */
  pause(limit: number | null): Promise<void>
  /** Look at whole targets at the next pass. */
  askInventory(): void
}

/** Gives turns to jobs, as many at once as `limits.concurrency` says. */
export function createDispatch(surroundings: Surroundings): Dispatch {
  const { world, wake, stop } = surroundings
  const wanted = new Set<JobId>()
  const workers = createWorkers((job) => {
    agenda.hurry(job)
    wake.wake()
  })
  const { running } = workers
  const stock = createStock(surroundings, wanted)
  const { cut, ...emptying } = createEmptying(running, stock, wake)
  const parts = { ...surroundings, workers: running, wanted, askInventory: stock.ask }
  const { look, agenda } = createLooking(parts)
  const placing = createPlacing()

  const putOff = (job: JobId, millis: number): 'gone-on' => {
    const now = world().now()
    agenda.set(job, (now + millis) as Instant, now)
    return 'gone-on'
  }

  /** Starts what may be started; `full` when there is no room for more. */
  const begin = async ({ job, actions, isLeft }: Due): Promise<'gone-on' | 'full'> => {
    const isUrgent = areUrgent(actions)
    const worker = workers.of(job, world())
    if (worker && isUrgent) makeRoom([worker])
    if (worker) return putOff(job, LOOK_WHILE_RUNNING)
    const rest = workers.restOf(job, isUrgent ? 'urgent' : 'patient')
    // What makes it wait may spare the slot that comes meanwhile.
    if (rest > 0) return putOff(job, Math.min(rest, LONGEST_SLEEP))
    const current = world()
    const patience = isUrgent ? await placing.patience(job, current) : 0
    if (patience > 0) return putOff(job, patience)
    if (running.size >= current.desired.limits.concurrency) {
      if (isUrgent || isLeft) makeRoom([...running.values()])
      return 'full'
    }
    wanted.delete(job)
    putOff(job, LOOK_WHILE_RUNNING)
    const onHeld = async () => !isUrgent || (await placing.settle(job, current))
    // What an inventory saw may be done by now; what the state tells is not.
    // Where others may be rather to run it, its source is touched only by who has asked whether it is its own.
    const kinds = isUrgent || current.fleet === null ? EVERY_KIND : WITHOUT_BACKUPS
    const request = { job, isOwed: isLeft || actions.length > 0, onHeld, kinds }
    workers.start(request, current, AbortSignal.any([stop, cut()]))
    return 'gone-on'
  }

  return {
    ...emptying,
    async pass() {
      if (emptying.isDraining()) return
      stock.takeWhenDue()
      const looked = await look(stop)
      placing.renew(looked)
      for (const due of inOrder(looked)) {
        // Told to drain while it looked: nothing is begun any more.
        if (emptying.isDraining() || (await begin(due)) === 'full') return
      }
    },
    pause(limit) {
      const next = agenda.next()
      const due = next === null ? LONGEST_SLEEP : next - world().now()
      // Timers may fire a millisecond early, and a slot is due at its instant, not before.
      const wait = due > 0 ? due + 2 : SHORTEST_SLEEP
      return wake.wait(Math.min(limit ?? LONGEST_SLEEP, LONGEST_SLEEP, wait), stop)
    },
    askInventory: stock.ask,
  }
}

function areUrgent(actions: readonly Action[]): boolean {
  return actions.some(({ kind }) => kind === 'backup')
}

/** A job that wants a turn. */
interface Due {
  readonly job: JobId
  readonly actions: readonly Action[]
  readonly isLeft: boolean
}

/** What was left behind, then backups that are due, then what can wait. */
function inOrder({ owed, left }: Look): readonly Due[] {
  const all = [...owed].map(([job, actions]) => ({ job, actions, isLeft: left.has(job) }))
  const rank = ({ isLeft, actions }: Due) => (isLeft ? 0 : areUrgent(actions) ? 1 : 2)
  return all.sort((one, other) => rank(one) - rank(other))
}
