import type { Change, JobAction, TargetAction } from './action.ts'
import { appliedJobs } from './applied.ts'
import { autoJobId } from './auto-made.ts'
import type { Desired, DesiredJob, Facts, Instant, JobId, TargetId } from './model.ts'
import type { History, Observed } from './observed.ts'
import { byText, sortedBy } from './order.ts'
import { nextSlot } from './schedule.ts'

/** What tells of a config that was applied before. */
type AppliedSeen = Pick<Observed, 'applied' | 'history' | 'autoMade'>

/** The targets that appear, change and go, told apart by their fingerprints. */
export function planTargets(desired: Desired, observed: AppliedSeen): readonly TargetAction[] {
  const applied = observed.applied?.targets ?? []
  const known = new Map(applied.map((one) => [one.id, one]))
  const declared = new Set(desired.targets.map((one) => one.id))
  const actions: TargetAction[] = []

  for (const { id, fingerprint, facts } of sortedBy(desired.targets, (one) => one.id)) {
    const before = known.get(id)
    if (before === undefined) {
      actions.push({ kind: 'target.create', subject: id, because: { rule: 'declared', facts } })
    } else if (before.fingerprint !== fingerprint) {
      const because = { rule: 'changed', changes: changesBetween(before.facts, facts) } as const
      actions.push({ kind: 'target.update', subject: id, because })
    }
  }
  const gone = applied.filter((one) => !declared.has(one.id))
  const copies = gone.length > 0 ? copiesByTarget(observed.history) : new Map<TargetId, number>()
  for (const { id } of sortedBy(gone, (one) => one.id)) {
    const because = { rule: 'not-declared', copies: copies.get(id) ?? 0 } as const
    actions.push({ kind: 'target.remove', subject: id, because })
  }
  return actions
}

/** The jobs that appear, change, take another name and go. */
export function planJobs(
  desired: Desired,
  observed: AppliedSeen,
  now: Instant,
): readonly JobAction[] {
  const applied = observed.applied?.jobs ?? []
  const before = appliedJobs(observed.applied, desired.jobs)
  const claimed = new Set<JobId>()
  const actions: JobAction[] = []

  for (const job of sortedBy(desired.jobs, (one) => one.id)) {
    const known = before(job)
    claimed.add(job.id)
    if (known === null) {
      actions.push(created(job, now))
      continue
    }
    claimed.add(known.id)
    if (known.id !== job.id) {
      const because = { rule: 'renamed', from: known.id } as const
      actions.push({ kind: 'job.update', subject: job.id, because })
    }
    const changes = changesBetween(known.facts, job.facts)
    // A new name alone is another fingerprint; it is told once.
    if (known.fingerprint !== job.fingerprint && (known.id === job.id || changes.length > 0)) {
      actions.push({ kind: 'job.update', subject: job.id, because: { rule: 'changed', changes } })
    }
  }
  const gone = applied.filter((one) => !claimed.has(one.id))
  const copies = gone.length > 0 ? copiesByJob(observed.history) : new Map<JobId, number>()
  for (const { id } of sortedBy(gone, (one) => one.id)) {
    const made = observed.autoMade?.find((one) => autoJobId(one) === id)
    const rest = { copies: copies.get(id) ?? 0 }
    const because = made?.ended
      ? ({ rule: 'auto-ended', app: made.app, end: made.ended, ...rest } as const)
      : ({ rule: 'not-declared', ...rest } as const)
    actions.push({ kind: 'job.remove', subject: id, because })
  }
  return actions
}

function created(job: DesiredJob, now: Instant): JobAction {
  const { id: subject, auto, facts } = job
  const next = job.enabled && job.schedule !== null ? nextSlot(job.schedule, now) : null
  const because =
    auto === undefined
      ? ({ rule: 'declared', facts, nextSlot: next } as const)
      : ({ rule: 'auto-created', ...auto, facts, nextSlot: next } as const)
  return { kind: 'job.create', subject, because } as JobAction
}

/** What differs between two sets of facts, by key. */
export function changesBetween(before: Facts, after: Facts): readonly Change[] {
  const keys = new Set([...Object.keys(before), ...Object.keys(after)])
  return [...keys]
    .sort(byText)
    .map((key) => ({ key, from: before[key] ?? null, to: after[key] ?? null }))
    .filter(({ from, to }) => from !== to)
}

function copiesByTarget(history: History): ReadonlyMap<TargetId, number> {
  const counts = new Map<TargetId, number>()
  for (const { target, status } of history.copies) {
    if (status === 'complete') counts.set(target, (counts.get(target) ?? 0) + 1)
  }
  return counts
}

function copiesByJob(history: History): ReadonlyMap<JobId, number> {
  const jobs = new Map(history.backups.map((one) => [one.id, one.job]))
  const counts = new Map<JobId, number>()
  for (const { backup, status } of history.copies) {
    const job = jobs.get(backup)
    if (status === 'complete' && job !== undefined) counts.set(job, (counts.get(job) ?? 0) + 1)
  }
  return counts
}
