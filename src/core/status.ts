import { archiveOfManifest, archiveOfPin, PLACE_KEY } from './archive-key.ts'
import { type Coverage, coverage } from './coverage.ts'
import type { Pause } from './fleet.ts'
import { livingSources } from './members.ts'
import type {
  Backup,
  BackupStatus,
  Bytes,
  Copy,
  Desired,
  DesiredJob,
  Instant,
  JobId,
  Millis,
  TargetId,
} from './model.ts'
import type { Listing, Observed, Warning } from './observed.ts'
import { groupedBy, sortedBy } from './order.ts'
import { pauseOf } from './pauses.ts'
import { isOpen } from './plan-attempts.ts'
import type { PostureSeen } from './posture.ts'
import { isProbe } from './probe.ts'
import { nextSlot } from './schedule.ts'
import { type InstancesStatus, instancesStatus } from './status-instances.ts'

/** How things stand, for `status`: what somebody asks who has one minute. */
export interface Status {
  readonly now: Instant
  /** By id. */
  readonly jobs: readonly JobStatus[]
  /** By id. */
  readonly targets: readonly TargetStatus[]
  /** Attempts under way, oldest first. */
  readonly running: readonly RunningStatus[]
  /** In-place restores that go on or whose baseline is not complete, oldest first. */
  readonly restores: readonly RestoreStatus[]
  /** Null where this machine is alone with its state. */
  readonly instances: InstancesStatus | null
  readonly pauses: readonly Pause[]
  /** Null: nobody looks for apps. */
  readonly coverage: Coverage | null
  readonly warnings: readonly Warning[]
}

export interface JobStatus {
  readonly id: JobId
  readonly title: string
  readonly enabled: boolean
  /** Whether it, or everything, takes no slots until it is resumed. */
  readonly isPaused: boolean
  readonly cron: string | null
  readonly timezone: string | null
  readonly nextSlot: Instant | null
  /** When the source that waits longest last succeeded; null when one of them never did. */
  readonly lastSuccessAt: Instant | null
  /** Of the newest attempts, one of each source, the one that deserves a look first. */
  readonly last: {
    readonly source: string
    readonly status: BackupStatus
    readonly at: Instant
    readonly error: string | null
  } | null
  readonly rpo: Millis | null
  /** Whether the last success is younger than the objective; null without one. */
  readonly rpoMet: boolean | null
}

export interface TargetStatus {
  readonly id: TargetId
  readonly kind: string
  readonly state: 'listed' | 'unreachable' | 'unlisted'
  readonly error: string | null
  /** Complete ones that failed no verify. */
  readonly copies: number
  readonly bytes: Bytes
  readonly lastSuccessAt: Instant | null
  /** Objects that neither the history nor a manifest of ours names; null when nobody looked. */
  readonly foreign: number | null
  /** Uploads that never became objects, ours and others'; null when nobody looked. */
  readonly unfinished: number | null
  /** How it is set up; undefined where nothing is expected, or nobody looked. */
  readonly posture: PostureSeen | undefined
}

export interface RunningStatus {
  readonly job: JobId
  readonly source: string
  readonly backup: string
  readonly startedAt: Instant
  /** False: whoever began it is gone. */
  readonly alive: boolean
}

export interface RestoreStatus {
  readonly id: string
  readonly reference: string
  readonly status: 'running' | 'success' | 'failed'
  /** Of one that runs: whether whoever began it lives. */
  readonly alive: boolean
  readonly to: string
  readonly startedAt: Instant
  /** Where the data from before is kept until then. */
  readonly previous: string | null
}

/** Sums up what was declared and seen; `warnings` are those of the plan. */
export function statusOf(
  desired: Desired,
  observed: Observed,
  warnings: readonly Warning[],
  now: Instant,
): Status {
  const { backups, restores } = observed.history
  const byJob = groupedBy(backups, (one) => one.job)
  const open = backups.filter((one) => isOpen(one.status)).sort(oldestFirst)
  return {
    now,
    jobs: sortedBy(desired.jobs, (job) => job.id).map((job) =>
      jobStatus(job, byJob.get(job.id) ?? [], observed.pauses, now),
    ),
    targets: targetStatuses(desired, observed),
    running: open.map(({ job, source, id, startedAt, instance }) => ({
      job,
      source,
      backup: id,
      startedAt,
      alive: observed.alive.has(instance),
    })),
    restores: restores
      .filter((one) => one.inPlace && one.status !== 'failed' && !one.released)
      .toSorted(oldestFirst)
      .map(({ id, reference, status, instance, to, startedAt, previous }) => ({
        id,
        reference,
        status,
        alive: observed.alive.has(instance),
        to,
        startedAt,
        previous,
      })),
    instances: instancesStatus(desired, observed),
    pauses: observed.pauses,
    coverage: coverage(desired, observed.surroundings ?? [], now),
    warnings,
  }
}

function oldestFirst<T extends { readonly startedAt: Instant }>(one: T, other: T): number {
  return one.startedAt - other.startedAt
}

function jobStatus(
  job: DesiredJob,
  attempts: readonly Backup[],
  pauses: readonly Pause[],
  now: Instant,
): JobStatus {
  const { id, title, enabled, schedule, objectives } = job
  const lastSuccessAt = oldestSuccess(job, attempts)
  const last = worstOfNewest(job, attempts)
  const { rpo } = objectives
  return {
    id,
    title,
    enabled,
    isPaused: pauseOf(pauses, id) !== null,
    cron: schedule?.cron ?? null,
    timezone: schedule?.timezone ?? null,
    nextSlot: enabled && schedule !== null ? nextSlot(schedule, now) : null,
    lastSuccessAt,
    last: last && {
      source: last.source,
      status: last.status,
      at: last.finishedAt ?? last.startedAt,
      error: last.error,
    },
    rpo,
    rpoMet: rpo === null ? null : lastSuccessAt !== null && now - lastSuccessAt <= rpo,
  }
}

const CONCERN: readonly BackupStatus[] = ['failed', 'skipped', 'running', 'pending', 'success']

/** The newest attempt of each source, and of those the one that deserves a look first. */
function worstOfNewest(job: DesiredJob, attempts: readonly Backup[]): Backup | null {
  const bySource = groupedBy(attempts, (one) => one.source)
  const newest = livingSources(job).flatMap(({ name }) =>
    (bySource.get(name) ?? []).toSorted((a, b) => b.startedAt - a.startedAt).slice(0, 1),
  )
  const [worst] = newest.toSorted((a, b) => CONCERN.indexOf(a.status) - CONCERN.indexOf(b.status))
  return worst ?? null
}

function oldestSuccess(job: DesiredJob, attempts: readonly Backup[]): Instant | null {
  const newest = new Map<string, Instant>()
  for (const { source, status, startedAt, finishedAt } of attempts) {
    const at = finishedAt ?? startedAt
    if (status === 'success' && at > (newest.get(source) ?? 0)) newest.set(source, at)
  }
  const times = livingSources(job).map(({ name }) => newest.get(name))
  if (times.length === 0 || times.includes(undefined)) return null
  return Math.min(...times.map((at) => at ?? 0)) as Instant
}

/** How each declared target stands, by id. */
export function targetStatuses(desired: Desired, observed: Observed): readonly TargetStatus[] {
  const sound = ({ status, verify }: Copy) => status === 'complete' && verify !== 'failed'
  const complete = observed.history.copies.filter(sound)
  const byTarget = groupedBy(complete, (copy) => copy.target)
  const known = groupedBy(observed.history.copies, (copy) => copy.target)
  return sortedBy(desired.targets, (target) => target.id).map(({ id, kind }) => {
    const listing = observed.listings.get(id)
    const copies = byTarget.get(id) ?? []
    return {
      id,
      kind,
      state: listing?.kind ?? 'unlisted',
      error: listing?.kind === 'unreachable' ? listing.error : null,
      copies: copies.length,
      lastSuccessAt: copies.reduce<Instant | null>(
        (last, { takenAt }) => (last !== null && last > takenAt ? last : takenAt),
        null,
      ),
      foreign: foreignOn(listing, known.get(id) ?? []),
      unfinished: listing?.kind === 'listed' ? listing.unfinished.length : null,
      posture: observed.postures.get(id),
      bytes: copies.reduce((sum, copy) => sum + (copy.bytes ?? 0), 0) as Bytes,
    }
  })
}

function foreignOn(listing: Listing | undefined, copies: readonly Copy[]): number | null {
  if (listing?.kind !== 'listed') return null
  const known = new Set(copies.map(({ key }) => key))
  for (const [key, found] of listing.manifests) if (found.kind === 'ours') known.add(key)
  const archiveOf = (key: string) => archiveOfManifest(key) ?? archiveOfPin(key) ?? key
  const isOwn = (key: string) => isProbe(key) || key === PLACE_KEY
  return [...listing.objects.keys()].filter((key) => !known.has(archiveOf(key)) && !isOwn(key))
    .length
}
