import type { JobId, TargetId } from '../core/model.ts'

/** Who waits for which target, each job for one at most, by urgency and then by when it came. */
export interface Queues {
  first(target: TargetId): JobId | undefined
  /** The target that the job waits for. */
  of(job: JobId): TargetId | undefined
  jobs(): Iterable<JobId>
  /** One that stands there keeps its place, unless it has become urgent. */
  join(job: JobId, target: TargetId, urgency: keyof Queue): void
  leave(job: JobId): void
  clear(): void
}

interface Queue {
  readonly urgent: Set<JobId>
  readonly patient: Set<JobId>
}

/** Nobody waits; `nextFirst` hears who is the first where the one before it has left. */
export function createQueues(nextFirst: (job: JobId) => void): Queues {
  const queues = new Map<TargetId, Queue>()
  const places = new Map<JobId, TargetId>()
  const first = (target: TargetId): JobId | undefined => {
    const queue = queues.get(target)
    return queue?.urgent.values().next().value ?? queue?.patient.values().next().value
  }
  const leave = (job: JobId) => {
    const target = places.get(job)
    const queue = target === undefined ? undefined : queues.get(target)
    if (target === undefined || queue === undefined) return
    const wasFirst = first(target) === job
    places.delete(job)
    queue.urgent.delete(job)
    queue.patient.delete(job)
    const next = first(target)
    if (next !== undefined && wasFirst) nextFirst(next)
  }
  return {
    first,
    leave,
    of: (job) => places.get(job),
    jobs: () => places.keys(),
    join(job, target, urgency) {
      if (places.get(job) !== target) leave(job)
      places.set(job, target)
      const queue = queues.get(target) ?? { urgent: new Set(), patient: new Set() }
      queues.set(target, queue)
      if (urgency === 'urgent') queue.patient.delete(job)
      if (!queue.urgent.has(job)) queue[urgency].add(job)
    },
    clear() {
      queues.clear()
      places.clear()
    },
  }
}
