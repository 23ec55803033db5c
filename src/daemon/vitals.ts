import type { Report } from '../core/event.ts'
import type { DesiredJob, Instant } from '../core/model.ts'
import type { History } from '../core/observed.ts'
import type { Lease, Leases } from '../leases/lease.ts'
import { unlessAborted } from '../lib/limits.ts'
import type { Store, Verdict } from '../state/store.ts'
import type { Inventory } from './inventory.ts'
import { createPast, type Past } from './past.ts'
import { createTally, type Tally, type Tallying } from './tally.ts'

/** A pass may wait this long for a slow state before the loop counts as stuck. */
const LONGEST_SILENCE = 2 * 60_000
/** A state that answered within this is there: one failed look is no news. */
const GRACE = 30_000
/** What asks for health waits 2 seconds. */
const PATIENCE = 1_500

export type Phase = 'starting' | 'working' | 'draining'

/** The signs of life of a daemon: fed by small calls as it works, read by its faces. */
export interface Vitals {
  /** Passes an event on to the log, and learns from it. */
  readonly report: Report
  readonly tally: Tally
  /** Counts what is held, by duty: `job`, `deployment`, … */
  counting(leases: Leases): Leases
  readonly held: ReadonlyMap<string, number>

  /** The loop has come to the next phase of its life. */
  enter(phase: Phase): void
  readonly phase: () => Phase
  /** The loop begins or ends a pass, or goes on waiting: now, unless told when. */
  turn(at?: number): void
  /** Whether the loop gave a sign lately; one that starts or drains need not. */
  isTurning(): boolean

  /** The history as a pass read it: the state is there. */
  looked(history: History): void
  /** What the newest inventory of this process saw; null before the first. */
  readonly inventory: () => Inventory | null
  tookInventory(inventory: Inventory): void
  /** Past attempts; read from the state at the first call, and followed from then on. */
  past(store: Store, jobs: readonly DesiredJob[]): Promise<Past>
  /** Asks the state something small, unless it takes longer than 1.5 s. Never throws. */
  feel(store: Store): Promise<StateSeen>
}

export interface StateSeen {
  /** Whether it answered now, or so lately that one failed look is no news. */
  readonly isReached: boolean
  /** Of the question just asked, in milliseconds; null when it was not answered. */
  readonly roundTrip: number | null
}

/** The signs of life of a daemon that begins. */
export function createVitals(report: Report, now: () => Instant): Vitals {
  const tallying = createTally(now)
  const { tally, hear } = tallying
  const held = new Map<string, number>()
  let phase: Phase = 'starting'
  let turnedAt = performance.now()
  let inventory: Inventory | null = null
  const state = watchState()
  const followed = followPast(tallying)
  return {
    report(event) {
      hear(event)
      report(event)
    },
    tally,
    held,
    counting: (leases) => countHeld(leases, held),
    enter(next) {
      phase = next
      turnedAt = performance.now()
    },
    phase: () => phase,
    turn(at = performance.now()) {
      turnedAt = at
    },
    isTurning: () => phase !== 'working' || performance.now() - turnedAt < LONGEST_SILENCE,
    looked(history) {
      state.proven()
      followed.learn(history)
      const over = history.backups.filter(({ finishedAt }) => finishedAt !== null)
      tallying.ended(over.map(({ id }) => id))
    },
    inventory: () => inventory,
    tookInventory(found) {
      inventory = found
    },
    past: followed.read,
    feel: state.feel,
  }
}

function watchState(): { proven(): void; feel(store: Store): Promise<StateSeen> } {
  let provenAt = Number.NEGATIVE_INFINITY
  let underWay: Promise<StateSeen> | null = null
  const ask = async (store: Store): Promise<StateSeen> => {
    const began = performance.now()
    try {
      await unlessAborted(store.fact('restore.variable'), AbortSignal.timeout(PATIENCE))
      provenAt = performance.now()
      return { isReached: true, roundTrip: provenAt - began }
    } catch {
      return { isReached: performance.now() - provenAt < GRACE, roundTrip: null }
    } finally {
      underWay = null
    }
  }
  return {
    proven() {
      provenAt = performance.now()
    },
    feel(store) {
      underWay ??= ask(store)
      return underWay
    },
  }
}

/** Who never asks for it pays nothing for it. */
function followPast(tallying: Tallying): {
  learn(history: History): void
  read(store: Store, jobs: readonly DesiredJob[]): Promise<Past>
} {
  let past: Past | null = null
  let reading: Promise<Past> | null = null
  const readFirst = async (store: Store, jobs: readonly DesiredJob[]): Promise<Past> => {
    try {
      const { backups } = await store.history({ depth: 'recent', jobs: null })
      learnVerified(tallying, await store.verdicts(), jobs)
      past = createPast()
      past.learn(backups)
      return past
    } finally {
      reading = null
    }
  }
  return {
    learn: ({ backups }) => past?.learn(backups),
    async read(store, jobs) {
      if (past !== null) return past
      // Two who ask at once wait for one look.
      reading ??= readFirst(store, jobs)
      return await reading
    },
  }
}

/** What was verified before this process began: of each job and target, what was verified last. */
function learnVerified(
  { remember }: Tallying,
  verdicts: readonly Verdict[],
  jobs: readonly DesiredJob[],
): void {
  const owners = new Map(jobs.flatMap(({ id, sources }) => sources.map(({ group }) => [group, id])))
  const newestFirst = verdicts.toSorted((one, other) => other.at - one.at)
  for (const { group, target, isWell, at } of newestFirst) {
    const job = owners.get(group)
    if (job !== undefined) remember(job, target, { isWell, at })
  }
}

/** `leases`, whose held ones are counted by the first word of their names. */
function countHeld(leases: Leases, held: Map<string, number>): Leases {
  const count = (name: string, change: number) => {
    const duty = name.split(':')[0] ?? name
    held.set(duty, (held.get(duty) ?? 0) + change)
  }
  return {
    ...leases,
    async acquire(name) {
      const lease = await leases.acquire(name)
      if (lease.kind === 'busy') return lease
      count(name, 1)
      let isHeld = true
      return {
        ...lease,
        release() {
          if (isHeld) count(name, -1)
          isHeld = false
          return lease.release()
        },
      } satisfies Lease
    },
  }
}
