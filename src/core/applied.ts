import type { Applied, AppliedJob, Desired, DesiredJob, Instant, JobId } from './model.ts'

/** What a job's `since` is about: while this stays the same, its slots stay owed. */
export function scheduleMark(job: Pick<DesiredJob, 'schedule' | 'enabled'>): string {
  if (job.schedule === null) return job.enabled ? 'on-request' : 'on-request disabled'
  const { cron, timezone, dialect } = job.schedule
  const pattern = dialect === undefined ? cron : `${dialect} ${cron}`
  return `${pattern} ${timezone} ${job.enabled ? 'enabled' : 'disabled'}`
}

/**
 * Finds what stands applied for a job, under its name or the one before; null when it is new. A
 * former name that is declared again belongs to the job that has it now.
 */
export function appliedJobs(
  applied: Applied | null,
  jobs: readonly DesiredJob[],
): (job: Pick<DesiredJob, 'id' | 'renamedFrom'>) => AppliedJob | null {
  const known = new Map(applied?.jobs.map((one) => [one.id, one]))
  const declared = new Set(jobs.map((one) => one.id))
  const former = (id: JobId | null) =>
    id === null || declared.has(id) ? null : (known.get(id) ?? null)
  return (job) => known.get(job.id) ?? former(job.renamedFrom)
}

/**
 * What to save as applied once every target and job action of a plan is done. A job that is new, or
 * whose schedule changed, owes the slots after `now`; every other one goes on as before.
 */
export function appliedAfter(desired: Desired, applied: Applied | null, now: Instant): Applied {
  const before = appliedJobs(applied, desired.jobs)
  return {
    targets: desired.targets.map(({ id, fingerprint, facts }) => ({ id, fingerprint, facts })),
    jobs: desired.jobs.map((job) => {
      const known = before(job)
      const mark = scheduleMark(job)
      return {
        id: job.id,
        fingerprint: job.fingerprint,
        facts: job.facts,
        since: known?.scheduleMark === mark ? known.since : now,
        scheduleMark: mark,
        firstRun: known ? known.firstRun : job.firstRun === 'now',
        sources: sourcesAfter(job, known, now),
      }
    }),
  }
}

/** A job that stands as it was applied had its sources from then on, whoever applied it. */
function sourcesAfter(
  job: DesiredJob,
  known: AppliedJob | null,
  now: Instant,
): Readonly<Record<string, Instant>> {
  const isSame = known?.sources === undefined && known?.fingerprint === job.fingerprint
  const first = isSame ? known.since : now
  return Object.fromEntries(job.sources.map(({ name }) => [name, known?.sources?.[name] ?? first]))
}

/** The same, with the first run of `job` taken. */
export function withFirstRunTaken(applied: Applied, job: JobId): Applied {
  const taken = (one: AppliedJob) => (one.id === job ? { ...one, firstRun: false } : one)
  return { ...applied, jobs: applied.jobs.map(taken) }
}
