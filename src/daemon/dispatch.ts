import type { JobId } from '../core/model.ts'
import { areUrgent, beginning, type Due, LONGEST_SLEEP } from './begin.ts'
import { createEmptying, type Emptying } from './emptying.ts'
import { createLine } from './line.ts'
import { createLooking, type Look } from './looking.ts'
import { createMending } from './mending.ts'
import { createPlacing } from './placing.ts'
import { createStock, type Surroundings } from './stock.ts'
import { createWorkers } from './workers.ts'

/** However soon something is due that could not be begun; the end of a turn ends the wait. */
const SHORTEST_SLEEP = 1_000

/** The work of another instance that dies waits no longer than that after its lease, in milliseconds. */
const WHILE_OTHERS_WORK = 5_000

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
  const hurry = (job: JobId) => {
    agenda.hurry(job)
    wake.wake()
  }
  const workers = createWorkers(hurry)
  const { running } = workers
  const stock = createStock(surroundings, wanted)
  const mending = createMending(surroundings)
  const { cut, ...emptying } = createEmptying(running, [stock.taken, mending.ended], wake)
  const { look, agenda } = createLooking({
    ...surroundings,
    workers: running,
    wanted,
    askInventory: stock.ask,
    mending,
  })
  const placing = createPlacing()
  const line = createLine(hurry)
  let longestSleep = LONGEST_SLEEP
  const begin = beginning({ world, stop, workers, agenda, placing, line, wanted, cut })

  return {
    ...emptying,
    async pass() {
      if (emptying.isDraining()) return
      stock.takeWhenDue()
      const looked = await look(stop)
      longestSleep = looked.othersAtWork ? WHILE_OTHERS_WORK : LONGEST_SLEEP
      placing.renew(looked)
      line.renew(looked, world().desired)
      for (const due of inOrder(looked)) {
        // Told to drain while it looked: nothing is begun any more.
        if (emptying.isDraining() || (await begin(due)) === 'full') return
      }
    },
    pause(limit) {
      const next = agenda.next()
      const due = next === null ? longestSleep : next - world().now()
      // Timers may fire a millisecond early, and a slot is due at its instant, not before.
      const wait = due > 0 ? due + 2 : SHORTEST_SLEEP
      return wake.wait(Math.min(limit ?? longestSleep, longestSleep, wait), stop)
    },
    askInventory: stock.ask,
  }
}

/** What was left behind, then backups that are due, then what can wait. */
function inOrder({ owed, left }: Look): readonly Due[] {
  const all = [...owed].map(([job, actions]) => ({ job, actions, isLeft: left.has(job) }))
  const rank = ({ isLeft, actions }: Due) => (isLeft ? 0 : areUrgent(actions) ? 1 : 2)
  return all.sort((one, other) => rank(one) - rank(other))
}
