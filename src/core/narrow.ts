import { formerGroup } from './archive-key.ts'
import type { Desired, DesiredJob, GroupId, JobId } from './model.ts'
import type { Observed } from './observed.ts'

/**
 * Finds the part of the config that decides about some jobs: they themselves, those that file their
 * archives under the same groups, and those that took over a former name. A plan of the part says of
 * these jobs what a plan of the whole says, in time that goes with their number.
 */
export function narrowing(desired: Desired): (jobs: ReadonlySet<JobId>) => Desired {
  const byId = new Map(desired.jobs.map((job) => [job.id, job]))
  const byGroup = new Map<GroupId, DesiredJob[]>()
  for (const job of desired.jobs) {
    for (const group of groupsOf(job)) {
      const sharing = byGroup.get(group)
      if (sharing) sharing.push(job)
      else byGroup.set(group, [job])
    }
  }
  const related = (job: DesiredJob): readonly DesiredJob[] => {
    const former = job.renamedFrom === null ? undefined : byId.get(job.renamedFrom)
    const sharing = groupsOf(job).flatMap((group) => byGroup.get(group) ?? [])
    return former ? [former, ...sharing] : sharing
  }
  return (jobs) => {
    const part = new Set<DesiredJob>()
    const todo = [...jobs].flatMap((id) => byId.get(id) ?? [])
    for (let job = todo.pop(); job; job = todo.pop()) {
      if (part.has(job)) continue
      part.add(job)
      todo.push(...related(job))
    }
    return { ...desired, jobs: [...part] }
  }
}

/** What was applied of those jobs alone: the others are not gone, they are not asked about. */
export function narrowObserved(observed: Observed, { jobs }: Desired): Observed {
  const { applied } = observed
  if (applied === null) return observed
  const asked = new Set<JobId>(
    jobs.flatMap(({ id, renamedFrom }) => (renamedFrom ? [id, renamedFrom] : [id])),
  )
  return {
    ...observed,
    applied: { ...applied, jobs: applied.jobs.filter(({ id }) => asked.has(id)) },
  }
}

function groupsOf(job: DesiredJob): readonly GroupId[] {
  return job.sources.flatMap((source) => {
    const former = formerGroup(job, source)
    return former === null ? [source.group] : [source.group, former]
  })
}
