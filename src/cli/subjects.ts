import { livingSources } from '../core/members.ts'
import type { DesiredJob } from '../core/model.ts'
import { parseReference } from '../core/reference.ts'
import { Refused } from '../lib/errors.ts'

/** A job and those of its sources that are meant. */
export interface Subject {
  readonly job: DesiredJob
  readonly sources: readonly string[]
}

/** What `job[/source]…` names among the declared; nothing named is everything. Throws `ReferenceUnknown`. */
export function subjectsOf(
  words: readonly string[],
  jobs: readonly DesiredJob[],
): readonly Subject[] {
  const all = (job: DesiredJob) => livingSources(job).map(({ name }) => name)
  if (words.length === 0) return jobs.map((job) => ({ job, sources: all(job) }))
  const known = jobs.map((job) => ({ id: job.id, sources: all(job) }))
  const found = new Map<DesiredJob, Set<string>>()
  for (const word of words) {
    const reference = parseReference(word, known)
    if (reference.which.kind !== 'latest') {
      const hint = `write ${word.slice(0, word.indexOf('@'))}`
      throw new Refused(`"${word}" names a backup, not a job`, { hint })
    }
    const job = jobs.find(({ id }) => id === reference.job)
    if (!job) continue
    const sources = found.get(job) ?? new Set()
    for (const name of reference.source === null ? all(job) : [reference.source]) sources.add(name)
    found.set(job, sources)
  }
  return [...found].map(([job, names]) => ({
    job,
    sources: all(job).filter((name) => names.has(name)),
  }))
}
