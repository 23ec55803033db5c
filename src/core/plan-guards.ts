import { formatBytes } from '../lib/size.ts'
import type { PruneBlockedAction } from './action.ts'
import type {
  Backup,
  BackupId,
  Bytes,
  Copy,
  DesiredJob,
  GroupId,
  Instant,
  Retention,
  TargetId,
} from './model.ts'
import type { Warning } from './observed.ts'
import { byText } from './order.ts'
import type { Retained } from './retention.ts'
import type { Scene } from './scene.ts'

/** One group on one target that was listed, and what decides about it. */
export interface Place {
  readonly job: DesiredJob
  readonly target: TargetId
  readonly group: GroupId
  readonly policy: Retention
  /** The target whose copy of the same backup has to be there first, or null. */
  readonly after: TargetId | null
}

/** An archive far smaller than those before it. */
export interface Shrinkage {
  readonly bytes: Bytes
  readonly median: Bytes
}

/** How many archives before the newest tell what size is usual. */
const RECENT = 7

/** The copies that retention may count and drop, newest first: promise 2. All else is left alone. */
export function validCopies(
  scene: Scene,
  { target, group }: Pick<Place, 'target' | 'group'>,
  pins: ReadonlyMap<TargetId, ReadonlySet<string>>,
): readonly Retained<Copy>[] {
  const pinned = pins.get(target)
  const doubtful = scene.doubtfulOn(target)
  return scene
    .copiesOn(target, group)
    .filter((copy) => copy.status === 'complete' && copy.verify !== 'failed')
    .filter((copy) => !doubtful.has(copy))
    .map((copy) => ({
      item: copy,
      key: copy.key,
      takenAt: copy.takenAt,
      verifiedAt: copy.verify === 'ok' ? copy.verifiedAt : null,
      pinned: pinned?.has(copy.key) ?? false,
    }))
    .sort((one, other) => other.takenAt - one.takenAt || byText(other.key, one.key))
}

/**
 * The backups that the target holds whole, or held until retention there let them go. Of a target
 * that was not looked at, only the latter are known.
 */
export function twinsOn(scene: Scene, target: TargetId, group: GroupId): ReadonlySet<BackupId> {
  const isListed = scene.listing(target).kind === 'listed'
  const whole = isListed ? validCopies(scene, { target, group }, new Map()) : []
  const gone = scene.copiesOn(target, group).filter(({ status }) => status === 'pruned')
  return new Set([...whole.map(({ item }) => item), ...gone].map(({ backup }) => backup))
}

/** The keys of the archives that pins keep, by target. */
export function pinsOf(scene: Scene): ReadonlyMap<TargetId, ReadonlySet<string>> {
  const pins = new Map<TargetId, ReadonlySet<string>>()
  for (const target of scene.targets) {
    const listing = scene.listing(target)
    if (listing.kind === 'listed') pins.set(target, new Set(listing.pins.map((pin) => pin.key)))
  }
  return pins
}

/** Why a deletion must not be made, or null when nothing stands against it. */
export function blockOf(
  scene: Scene,
  { job, group }: Place,
  would: { readonly drop: number; readonly total: number; readonly shrunk: Shrinkage | null },
): PruneBlockedAction['because'] | null {
  const last = newestFinished(scene, group)
  if (last?.status === 'failed') return { rule: 'newest-attempt-failed', backup: last.id }
  const [clock] = scene.clocks()
  if (clock) return { rule: 'clock-skew', ...clock }
  if (scene.observed.pruneConfirmed) return null
  if (would.shrunk !== null) return { rule: 'shrunk', ...would.shrunk }
  const share = would.drop / would.total
  return share > job.maxDelete ? { rule: 'too-many', share, limit: job.maxDelete } : null
}

function newestFinished(scene: Scene, group: GroupId): Backup | null {
  let newest: Backup | null = null
  for (const one of scene.attemptsOfGroup(group)) {
    if (one.status !== 'success' && one.status !== 'failed') continue
    if (one.startedAt <= scene.now && (newest === null || isLater(one, newest))) newest = one
  }
  return newest
}

function isLater(one: Backup, other: Backup): boolean {
  return one.startedAt !== other.startedAt ? one.startedAt > other.startedAt : one.id > other.id
}

/** How the newest of the valid archives falls short of those before it, or null when it does not. */
export function shrinkage(
  { shrinkGuard }: DesiredJob,
  newestFirst: readonly Retained<Copy>[],
  now: Instant,
): Shrinkage | null {
  const begin = newestFirst.findIndex((one) => one.takenAt <= now)
  if (begin < 0) return null
  const [newest = 0, ...before] = newestFirst
    .slice(begin, begin + 1 + RECENT)
    .map((one) => one.item.bytes ?? 0)
  const usual = medianOf(before)
  if (newest >= usual * shrinkGuard) return null
  return { bytes: newest as Bytes, median: usual as Bytes }
}

/** The middle one; of an even number, the smaller of the two in the middle; 0 of none. */
function medianOf(sizes: readonly number[]): number {
  return sizes.toSorted((one, other) => one - other)[Math.floor((sizes.length - 1) / 2)] ?? 0
}

/** What a person should know about such an archive, whether or not anything would be deleted. */
export function shrunkWarning(
  { job, group, target }: Place,
  { bytes, median }: Shrinkage,
): Warning {
  return {
    rule: 'archive-shrunk',
    subject: job.id,
    message:
      `the newest archive of ${group} on ${target} has ${formatBytes(bytes)}, ` +
      `where ${formatBytes(median)} is usual; nothing of the group is deleted meanwhile`,
    hint: `look at it with: holdfast backup show ${job.id}/${group.split('/').at(-1)}@latest --contents`,
  }
}
