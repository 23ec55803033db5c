import type { JobId, TargetId } from '../core/model.ts'

/** A job that wants places on targets that bound how many write there. */
export interface Waiting {
  readonly job: JobId
  readonly urgency: 'urgent' | 'patient'
  /** All bounded targets that it needs at once. */
  readonly needs: readonly TargetId[]
}

/**
 * Who waits for which target, each job for one at most, by urgency and then by when it came to the
 * first of them: one that is moved from line to line is as old in each.
 */
export interface Queues {
  first(target: TargetId): JobId | undefined
  /** The target that the job waits for. */
  of(job: JobId): TargetId | undefined
  jobs(): Iterable<JobId>
  /** One that stands there keeps its place, unless it has become urgent. */
  join(waiting: Waiting, target: TargetId): void
  /** A target among its needs that is kept free for one before it, who found no two free at once too often. */
  kept(waiting: Waiting): TargetId | undefined
  leave(job: JobId): void
  clear(): void
}

interface Place extends Waiting {
  readonly target: TargetId
  /** The lower, the older. */
  readonly came: number
  /** How often it came to its place in a line, and found another target full. */
  readonly moves: number
}

type Line = Record<Waiting['urgency'], Set<JobId>>

/** After so many moves what a job needs is kept for it: targets that idle meanwhile cost the others. */
const PATIENCE = 3

/** Nobody waits; `nextFirst` hears who is the first where the one before it has left. */
export function createQueues(nextFirst: (job: JobId) => void): Queues {
  const lines = new Map<TargetId, Line>()
  const places = new Map<JobId, Place>()
  let arrivals = 0
  const first = (target: TargetId): JobId | undefined => {
    const line = lines.get(target)
    return line?.urgent.values().next().value ?? line?.patient.values().next().value
  }
  const stepOut = ({ job, target }: Place) => {
    const wasFirst = first(target) === job
    places.delete(job)
    for (const line of Object.values(lines.get(target) ?? {})) line.delete(job)
    const next = first(target)
    if (next !== undefined && wasFirst) nextFirst(next)
  }
  const stepIn = (place: Place) => {
    const { job, target, urgency } = place
    const line = lines.get(target) ?? { urgent: new Set(), patient: new Set() }
    lines.set(target, line)
    places.set(job, place)
    line.patient.delete(job)
    line[urgency].add(job)
    if (place.came !== arrivals) line[urgency] = byAge(line[urgency], places)
  }
  return {
    first,
    of: (job) => places.get(job)?.target,
    jobs: () => places.keys(),
    join(waiting, target) {
      const before = places.get(waiting.job)
      if (!before) return stepIn({ ...waiting, target, came: ++arrivals, moves: 0 })
      const urgency = before.urgency === 'urgent' ? 'urgent' : waiting.urgency
      if (before.target === target && before.urgency === urgency) return
      const moves = before.moves + (before.target === target ? 0 : 1)
      if (moves > before.moves) stepOut(before)
      stepIn({ ...before, ...waiting, urgency, target, moves })
    },
    kept(waiting) {
      const firsts = [...lines.keys()].flatMap((target) => first(target) ?? [])
      const standing = firsts.flatMap((job) => places.get(job) ?? [])
      return keptBy(standing, waiting, places.get(waiting.job))
    },
    leave(job) {
      const place = places.get(job)
      if (!place) return
      stepOut(place)
      if (place.moves < PATIENCE) return
      for (const target of place.needs) {
        const next = target === place.target ? undefined : first(target)
        if (next !== undefined) nextFirst(next)
      }
    },
    clear() {
      lines.clear()
      places.clear()
    },
  }
}

function byAge(jobs: Iterable<JobId>, places: ReadonlyMap<JobId, Place>): Set<JobId> {
  const came = (job: JobId) => places.get(job)?.came ?? 0
  return new Set([...jobs].sort((one, other) => came(one) - came(other)))
}

function keptBy(
  firsts: readonly Place[],
  waiting: Waiting,
  own: Place | undefined,
): TargetId | undefined {
  const shared = firsts.flatMap((place) =>
    place.moves >= PATIENCE && isBefore(place, waiting, own)
      ? waiting.needs.filter((target) => place.needs.includes(target))
      : [],
  )
  return shared[0]
}

/** Whether the place is before the one that the other has, or would get. */
function isBefore(place: Place, { job, urgency }: Waiting, other: Place | undefined): boolean {
  if (place.job === job) return false
  const theirs = other?.urgency === 'urgent' ? 'urgent' : urgency
  if (place.urgency !== theirs) return place.urgency === 'urgent'
  return place.came < (other?.came ?? Number.POSITIVE_INFINITY)
}
