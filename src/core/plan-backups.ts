import type { BackupAction, SkipAction } from './action.ts'
import { scheduleMark } from './applied.ts'
import { livingSources } from './members.ts'
import type { Backup, DesiredJob, DesiredSource, Instant, Restore } from './model.ts'
import { byText } from './order.ts'
import { isOpen } from './plan-attempts.ts'
import { mayTry } from './retry.ts'
import type { Scene } from './scene.ts'
import { latestSlot, missedSlots } from './schedule.ts'

/**
 * What is to be archived now, and the slots that are recorded as skipped. A job has at most one
 * action: its slot comes first, then a baseline after a restore, then a first run. What one of them
 * does is not done again for the next, as a success serves them all.
 */
export function planBackups(scene: Scene): readonly (BackupAction | SkipAction)[] {
  return scene.jobs.flatMap((job) => {
    if (!job.enabled) return []
    const action = ofSlot(scene, job) ?? ofRestore(scene, job) ?? ofFirstRun(scene, job)
    return action === null ? [] : [action]
  })
}

interface Slot {
  readonly at: Instant
  /** Older slots that nobody recorded. */
  readonly missed: number
  readonly attempts: readonly Backup[]
}

function ofSlot(scene: Scene, job: DesiredJob): BackupAction | SkipAction | null {
  const slot = owedSlot(scene, job)
  if (slot === null) return null
  const untouched = slot.attempts.length === 0

  const living = scene.livingRuns(job.id)
  if (living.length > 0) {
    // A run that began after the slot does not stand in its way: the slot waits for its end.
    const older = living.filter((one) => one.slot !== slot.at && one.startedAt <= slot.at)
    if (older.length === 0 || !untouched) return null
    const since = Math.min(...older.map((one) => one.startedAt)) as Instant
    return skip(job, slot.at, { rule: 'still-running', since })
  }
  if (job.targets.length === 0) {
    const why = job.noTarget ?? 'it has no target'
    return untouched ? skip(job, slot.at, { rule: 'no-target', why }) : null
  }
  return ofSources(scene, job, slot)
}

/** The newest slot that the job may still owe something for. */
function owedSlot(scene: Scene, job: DesiredJob): Slot | null {
  const applied = scene.applied(job)
  if (job.schedule === null || applied === null) return null
  if (applied.scheduleMark !== scheduleMark(job)) return null
  const at = latestSlot(job.schedule, scene.now)
  if (at === null) return null
  // A clock that was ahead when the job was applied must not put it to sleep for years.
  const since = applied.since > scene.now ? justBefore(at) : applied.since
  if (at <= since) return null

  const attempts: Backup[] = []
  let recorded = since
  for (const one of scene.attemptsOf(job.id)) {
    if (one.slot === at) attempts.push(one)
    else if (one.slot !== null && one.slot < at && one.slot > recorded) recorded = one.slot
  }
  if (attempts.some((one) => one.status === 'skipped')) return null
  const missed = attempts.length === 0 ? missedSlots(job.schedule, recorded, justBefore(at)) : 0
  return { at, missed, attempts }
}

/** The sources that the slot owes and that may be tried now, as one run. */
function ofSources(scene: Scene, job: DesiredJob, slot: Slot): BackupAction | null {
  const owed = owedSources(scene, job, slot.at, (source) =>
    slot.attempts.filter((one) => one.source === source.name),
  )
  if (owed === null) return null
  const { at, missed } = slot
  const { error } = owed
  if (error !== null) {
    const { attempt } = owed
    const because = { rule: 'retry', slot: at, attempt, of: job.retry.attempts, error } as const
    return backup(job, owed, { slot: at, trigger: 'retry', because })
  }
  if (missed > 0) {
    const because = { rule: 'missed-slots', slot: at, missed } as const
    return backup(job, owed, { slot: at, trigger: 'catch-up', because })
  }
  const because = { rule: 'slot-due', slot: at } as const
  return backup(job, owed, { slot: at, trigger: 'schedule', because })
}

/** A restored source is archived anew: until then, what is kept for a way back stays pinned. */
function ofRestore(scene: Scene, job: DesiredJob): BackupAction | null {
  if (!mayRun(scene, job)) return null
  const owed = owedSources(scene, job, null, ({ group }) => {
    const restoredAt = scene.restored.get(group)?.finishedAt ?? null
    // Restored by a clock that was ahead: no backup could ever be newer, so its slots must do.
    if (restoredAt === null || restoredAt > scene.now) return null
    return scene.attemptsOfGroup(group).filter((one) => one.startedAt >= restoredAt)
  })
  const restore = owed && latestRestore(scene, job, owed.sources)
  if (owed === null || !restore) return null
  const because = { rule: 'after-restore', restore: restore.id } as const
  return backup(job, owed, { slot: null, trigger: 'baseline', because })
}

function ofFirstRun(scene: Scene, job: DesiredJob): BackupAction | null {
  const applied = scene.applied(job)
  const wanted = applied === null ? job.firstRun === 'now' : applied.firstRun
  if (!wanted || !mayRun(scene, job)) return null
  const since = applied === null ? scene.now : pastOf(applied.since, scene.now)
  const owed = owedSources(scene, job, null, (source) =>
    scene.attemptsOf(job.id).filter((one) => one.source === source.name && one.startedAt >= since),
  )
  const because = { rule: 'first-run' } as const
  return owed && backup(job, owed, { slot: null, trigger: 'first-run', because })
}

/** A clock that was ahead when the job was applied tells nothing: any attempt counts then. */
function pastOf(since: Instant, now: Instant): Instant {
  return since > now ? (0 as Instant) : since
}

interface Owed {
  /** Names, in the order declared. */
  readonly sources: readonly string[]
  readonly attempt: number
  /** Of the newest attempt that failed before this one, or null when this is the first. */
  readonly error: string | null
}

/**
 * The sources without success and whose turn it is; of those that were tried a different number of
 * times, the ones tried least, so that an attempt has one number. `attemptsOf` gives what was tried
 * for the same duty before, or null for a source that owes nothing.
 */
function owedSources(
  scene: Scene,
  job: DesiredJob,
  from: Instant | null,
  attemptsOf: (source: DesiredSource) => readonly Backup[] | null,
): Owed | null {
  const ready = livingSources(job).flatMap((source) => {
    const attempts = attemptsOf(source)
    if (attempts === null || scene.isBeingRestored(source.group)) return []
    if (attempts.some((one) => one.status === 'success' || isOpen(one.status))) return []
    const failed = attempts.filter((one) => one.status === 'failed')
    if (!mayTry(failed, job.retry, from, scene.now)) return []
    return { name: source.name, failed, attempt: Math.max(0, ...failed.map(numberOf)) + 1 }
  })
  if (ready.length === 0) return null
  const attempt = Math.min(...ready.map(numberOf))
  const together = ready.filter((one) => one.attempt === attempt)
  const [last] = together.flatMap((one) => one.failed).sort(newestFirst)
  return {
    sources: together.map((one) => one.name),
    attempt,
    error: last ? (last.error ?? 'it failed') : null,
  }
}

function numberOf({ attempt }: { readonly attempt: number }): number {
  return attempt
}

function newestFirst(one: Backup, other: Backup): number {
  return other.startedAt - one.startedAt || byText(other.id, one.id)
}

function mayRun(scene: Scene, job: DesiredJob): boolean {
  return job.targets.length > 0 && scene.livingRuns(job.id).length === 0
}

function latestRestore(
  scene: Scene,
  job: DesiredJob,
  sources: readonly string[],
): Restore | undefined {
  return job.sources
    .filter((source) => sources.includes(source.name))
    .flatMap((source) => scene.restored.get(source.group) ?? [])
    .reduce<Restore | undefined>(
      (latest, one) => (latest && latest.startedAt >= one.startedAt ? latest : one),
      undefined,
    )
}

type Occasion = Pick<BackupAction, 'slot' | 'trigger' | 'because'>

function backup(job: DesiredJob, { sources, attempt }: Owed, occasion: Occasion): BackupAction {
  return { kind: 'backup', subject: job.id, sources, attempt, ...occasion }
}

function skip(job: DesiredJob, slot: Instant, because: SkipAction['because']): SkipAction {
  return { kind: 'skip', subject: job.id, slot, because }
}

function justBefore(at: Instant): Instant {
  return (at - 1) as Instant
}
