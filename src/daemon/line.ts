import type { Desired, JobId, Millis, TargetId } from '../core/model.ts'
import { declaredJob, declaredTarget, type World } from '../observe/world.ts'
import type { Look } from './looking.ts'
import { createQueues } from './queues.ts'

/** What another instance let go of is found after this long. */
const ASK_AGAIN = 5_000
/** One that stands behind others is looked at after this long, were it only for what else is due. */
const LOOK_AGAIN = 15_000
/** How long an instance may give what it lets go of to its own jobs, while others may wait elsewhere. */
const KEEP = 60_000
/** For so long what is let go of then is left to them: each asks within it. */
const LEAVE = ASK_AGAIN + 1_000

/**
 * Jobs that wait for a place on a full target, as this instance knows them. Of each line only the
 * first one asks: at once when a place was let go of here, now and then for what others let go of.
 * Whoever comes later stands behind, also behind one that is moved to this line because it found
 * another of its targets full; a backup stands before work that can wait. One that was moved over
 * three times and is the first again has what it needs kept for it: it waits for no more than those
 * that came before it, and a few turns more.
 */
export interface Line {
  /** Milliseconds until the job may ask for its places; 0: now. Who has to wait stands in line from then on. */
  wait(standing: Standing, world: Bounds): Millis
  /** A turn of the job begins, and asks. */
  ask(standing: Standing, world: Bounds): Asking
  /** The job gets no turn for now: who stands behind it comes forward. */
  leave(job: JobId): void
  /** Those that are owed nothing any more leave; under another config the lines begin anew. */
  renew(look: Pick<Look, 'asked' | 'owed'>, desired: Desired): void
}

export interface Standing {
  readonly job: JobId
  readonly urgency: 'urgent' | 'patient'
}

/** What a turn tells of its places. */
export interface Asking {
  /** The target that was full; null once there is a place on each. */
  onRoom(full: TargetId | null): void
  /** The turn has ended, and let go of its places. */
  over(): void
}

/** What a line needs of the world. */
export type Bounds = Pick<World, 'desired' | 'fleet'>

/** No line yet. `hurry` has a job looked at at once; `clock` tells milliseconds. */
export function createLine(
  hurry: (job: JobId) => void,
  clock: () => number = () => performance.now(),
): Line {
  const asksAt = new Map<JobId, number>()
  const kept = new Map<TargetId, number>()
  const leftUntil = new Map<TargetId, number>()
  let config: Desired | null = null
  const comeForward = (job: JobId | undefined) => {
    if (job === undefined) return
    asksAt.delete(job)
    hurry(job)
  }
  const queues = createQueues(comeForward)
  const letGo = (target: TargetId, { fleet }: Bounds) => {
    const first = queues.first(target)
    if (first === undefined) return kept.delete(target)
    const since = kept.get(target) ?? clock()
    kept.set(target, since)
    if (fleet === null || clock() - since < KEEP) return comeForward(first)
    kept.delete(target)
    leftUntil.set(target, clock() + LEAVE)
  }
  return {
    leave: queues.leave,
    wait(standing, { desired }) {
      const { job } = standing
      const needs = boundedOf(job, desired)
      const waiting = { ...standing, needs }
      const kept = queues.kept(waiting)
      const full =
        queues.of(job) ?? kept ?? needs.find((target) => queues.first(target) !== undefined)
      if (full === undefined) return 0 as Millis
      queues.join(waiting, full)
      if (kept !== undefined || queues.first(full) !== job) return LOOK_AGAIN as Millis
      const at = Math.max(asksAt.get(job) ?? 0, leftUntil.get(full) ?? 0)
      return Math.max(0, at - clock()) as Millis
    },
    ask(standing, world) {
      const { job } = standing
      const needs = boundedOf(job, world.desired)
      let answer: 'none' | 'full' | 'room' = 'none'
      return {
        onRoom(full) {
          answer = full === null ? 'room' : 'full'
          // What an earlier config bounds is nobody's line any more.
          if (full === null || world.desired !== config) return queues.leave(job)
          queues.join({ ...standing, needs }, full)
          asksAt.set(job, clock() + ASK_AGAIN)
        },
        over() {
          if (answer !== 'full') queues.leave(job)
          if (answer !== 'room') return
          for (const target of needs) letGo(target, world)
        },
      }
    },
    renew({ asked, owed }, desired) {
      if (config !== desired) queues.clear()
      config = desired
      for (const job of queues.jobs()) if (asked.has(job) && !owed.has(job)) queues.leave(job)
    },
  }
}

function boundedOf(job: JobId, desired: Desired): readonly TargetId[] {
  return declaredJob(desired, job).targets.flatMap(({ target }) =>
    declaredTarget(desired, target).concurrency === null ? [] : target,
  )
}
