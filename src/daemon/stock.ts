import type { JobId } from '../core/model.ts'
import { messageOf, reportOf } from '../lib/errors.ts'
import type { World } from '../observe/world.ts'
import { takeInventory } from './inventory.ts'
import type { Vitals } from './vitals.ts'
import type { Wake } from './wake.ts'

/** Whole targets are looked at this often, and at each start and reload. */
const INVENTORY_EVERY = 60 * 60_000
/** After one that broke off. */
const INVENTORY_AGAIN = 5 * 60_000

/** What the loop and what runs beside it share. */
export interface Surroundings {
  /** Asked for at each pass: a reload makes a new one. */
  readonly world: () => World
  readonly wake: Wake
  readonly stop: AbortSignal
  /** Hears of what a pass and an inventory saw. */
  readonly vitals?: Pick<Vitals, 'looked' | 'tookInventory'>
}

/** The look at whole targets, beside the passes, so that a slow target delays no backup. */
export interface Stock {
  takeWhenDue(): void
  ask(): void
  taken(): Promise<void>
}

/** Puts every job that an inventory finds work for into `wanted`. */
export function createStock(
  { world, wake, stop, vitals }: Surroundings,
  wanted: Set<JobId>,
): Stock {
  let dueAt = 0
  let underWay: Promise<void> | null = null
  const take = async (): Promise<void> => {
    try {
      const found = await takeInventory(world(), stop)
      if (found === null) return
      for (const job of found.jobs) wanted.add(job)
      vitals?.tookInventory(found)
    } catch (error) {
      dueAt = performance.now() + INVENTORY_AGAIN
      if (!stop.aborted) tellBroken('the inventory', error, world())
    } finally {
      underWay = null
      wake.wake()
    }
  }
  return {
    takeWhenDue() {
      if (underWay !== null || performance.now() < dueAt) return
      dueAt = performance.now() + INVENTORY_EVERY
      underWay = take()
    },
    ask() {
      dueAt = 0
    },
    async taken() {
      await underWay
    },
  }
}

/** Reports that a piece of the loop's work could not go on. */
export function tellBroken(what: string, error: unknown, world: World): void {
  world.report({
    event: 'pass.failed',
    level: 'error',
    message: `${what} broke off: ${messageOf(error)}`,
    error: reportOf(error),
  })
}
