import { appliedJobs } from './applied.ts'
import { formerGroup, isManifestOf, manifestKey } from './archive-key.ts'
import { type ClockFault, clockFaults } from './clock.ts'
import type {
  AppliedJob,
  Backup,
  BackupId,
  Copy,
  Desired,
  DesiredJob,
  DesiredSource,
  GroupId,
  Instant,
  JobId,
  Restore,
  Run,
  TargetId,
} from './model.ts'
import type { Listing, Observed, StoredObject } from './observed.ts'
import { byText, groupedBy, sortedBy } from './order.ts'
import { isOpen, type Settled } from './plan-attempts.ts'
import { coverageOf } from './prefixes.ts'

/**
 * Desired and observed, indexed once, so that no rule has to search. What a renamed job did under
 * its former name is its own here, and so are the groups that were named after it.
 */
export interface Scene {
  readonly desired: Desired
  readonly observed: Observed
  readonly now: Instant
  /** By id. */
  readonly jobs: readonly DesiredJob[]
  /** By id. */
  readonly targets: readonly TargetId[]
  /** Open attempts that this plan closes: the history reads as if that was done. */
  readonly settled: ReadonlySet<BackupId>
  /** The attempt of that id, if it is in our history. */
  attempt(id: string): Backup | null
  applied(job: DesiredJob): AppliedJob | null
  attemptsOf(job: JobId): readonly Backup[]
  attemptsOfGroup(group: GroupId): readonly Backup[]
  /** What of the job is under way now, in a process whose life is proven. */
  livingRuns(job: JobId): readonly Living[]
  /** Whether a living process is putting an archive of the group back in its place. */
  isBeingRestored(group: GroupId): boolean
  /** The newest restore in place of each group whose baseline is not known to be complete. */
  readonly restored: ReadonlyMap<GroupId, Restore>
  copiesOn(target: TargetId, group: GroupId): readonly Copy[]
  /** In no promised order. */
  allCopiesOn(target: TargetId): readonly Copy[]
  group(written: GroupId): GroupId
  listing(target: TargetId): Listing
  /** Complete copies that a listing of their target does not show whole and with their manifest. */
  doubtfulOn(target: TargetId): ReadonlySet<Copy>
  /** The clocks that contradict ours. */
  clocks(): readonly ClockFault[]
  /** Whether a listing of the target shows what lies under a key or prefix. */
  covered(target: TargetId, key: string): boolean
}

/** A run, or an attempt of one, that goes on. */
export type Living = Pick<Run, 'slot' | 'startedAt'>

const UNLISTED: Listing = { kind: 'unlisted' }
const NO_COPIES: ReadonlySet<Copy> = new Set()

/** Indexes what was declared and seen, with the history as `settled` leaves it. */
export function sceneOf(
  desired: Desired,
  observed: Observed,
  settled: Settled,
  now: Instant,
): Scene {
  const { listings, alive } = observed
  const { history } = settled
  const jobs = sortedBy(desired.jobs, (job) => job.id)
  const jobNames = formerNames(jobs)
  const groups = formerGroups(jobs)
  const job = (written: JobId) => jobNames.get(written) ?? written
  const group = (written: GroupId) => groups.get(written) ?? written

  const byJob = groupedBy(history.backups, (one) => job(one.job))
  const byGroup = groupedBy(history.backups, (one) => group(one.group))
  const byTarget = groupedBy(history.copies, (one) => one.target)
  const byPlace = new Map(
    [...byTarget].map(([target, copies]) => [target, groupedBy(copies, (one) => group(one.group))]),
  )
  const goesOn = (one: Backup | Run) => isOpen(one.status) && alive.has(one.instance)
  const living = groupedBy<Backup | Run, JobId>(
    [...history.runs.filter(goesOn), ...history.backups.filter(goesOn)],
    (one) => job(one.job),
  )
  const inPlace = history.restores.flatMap((one) =>
    one.inPlace && one.group !== null ? [{ ...one, group: group(one.group) }] : [],
  )
  // Whoever began it may be gone: until the recovery has closed the row, the data may be half of each.
  const restoring = inPlace.filter((one) => one.status === 'running')
  const restored = inPlace
    .filter((one) => one.status === 'success' && !one.released)
    .sort((one, other) => one.startedAt - other.startedAt || byText(one.id, other.id))
  const doubtful = new Map(
    [...byTarget].map(([target, copies]) => [target, unseen(copies, listings.get(target))]),
  )

  return {
    desired,
    observed,
    now,
    jobs,
    targets: sortedBy(desired.targets, (one) => one.id).map((one) => one.id),
    settled: settled.closed,
    attempt: attemptsById(history.backups),
    applied: appliedJobs(observed.applied, desired.jobs),
    attemptsOf: (name) => byJob.get(name) ?? [],
    attemptsOfGroup: (name) => byGroup.get(name) ?? [],
    livingRuns: (name) => living.get(name) ?? [],
    isBeingRestored: (name) => restoring.some((one) => one.group === name),
    restored: new Map(restored.map((one) => [one.group, one])),
    copiesOn: (target, name) => byPlace.get(target)?.get(name) ?? [],
    allCopiesOn: (target) => byTarget.get(target) ?? [],
    group,
    listing: (target) => listings.get(target) ?? UNLISTED,
    doubtfulOn: (target) => doubtful.get(target) ?? NO_COPIES,
    clocks: once(() => clockFaults(desired, observed, now)),
    covered: coverageOf(listings),
  }
}

/** Worked out when first asked for, and not again. */
function once<T>(work: () => T): () => T {
  let done: { readonly value: T } | null = null
  return () => {
    done ??= { value: work() }
    return done.value
  }
}

/** Made when first asked: where nothing is missing or left behind, nobody asks. */
function attemptsById(backups: readonly Backup[]): (id: string) => Backup | null {
  let byId: ReadonlyMap<string, Backup> | null = null
  return (id) => {
    byId ??= new Map(backups.map((one) => [one.id, one]))
    return byId.get(id) ?? null
  }
}

/** Asked once for all rules: most of a large plan's time goes into finding keys in listings. */
function unseen(copies: readonly Copy[], listing: Listing | undefined): ReadonlySet<Copy> {
  if (listing?.kind !== 'listed') return NO_COPIES
  const { objects } = listing
  const followed = followedByManifest(objects.values())
  const isSeen = ({ key, bytes }: Copy) => {
    const object = objects.get(key)
    if (object === undefined || object.bytes !== bytes) return false
    return followed.has(object) || objects.has(manifestKey(key))
  }
  return new Set(copies.filter((one) => one.status === 'complete' && !isSeen(one)))
}

/**
 * The archives whose manifest is the next object, as it is where keys are listed in their order.
 * Walking along a large listing is several times faster than asking it for each manifest's key.
 */
function followedByManifest(objects: Iterable<StoredObject>): ReadonlySet<StoredObject> {
  const followed = new Set<StoredObject>()
  let before: StoredObject | null = null
  for (const object of objects) {
    if (before !== null && isManifestOf(before.key, object.key)) followed.add(before)
    before = object
  }
  return followed
}

/** Each source of the job with each of its targets: where groups live. */
export function* placesOf(
  job: DesiredJob,
): Generator<{ readonly source: DesiredSource; readonly target: DesiredJob['targets'][number] }> {
  for (const source of job.sources) {
    for (const target of sortedBy(job.targets, (one) => one.target)) yield { source, target }
  }
}

function formerNames(jobs: readonly DesiredJob[]): ReadonlyMap<JobId, JobId> {
  const declared = new Set(jobs.map((job) => job.id))
  const names = new Map<JobId, JobId>()
  for (const { id, renamedFrom } of jobs) {
    if (renamedFrom !== null && !declared.has(renamedFrom)) names.set(renamedFrom, id)
  }
  return names
}

function formerGroups(jobs: readonly DesiredJob[]): ReadonlyMap<GroupId, GroupId> {
  const declared = new Set(jobs.flatMap((job) => job.sources.map((source) => source.group)))
  const groups = new Map<GroupId, GroupId>()
  for (const job of jobs) {
    for (const source of job.sources) {
      const former = formerGroup(job, source)
      if (former !== null && !declared.has(former)) groups.set(former, source.group)
    }
  }
  return groups
}
