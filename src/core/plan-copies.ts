import type { AdoptAction, CopyAction } from './action.ts'
import { listPrefix, manifestKey } from './archive-key.ts'
import { isClosedFor, wayOf } from './encryptions.ts'
import type { BackupId, Copy, DesiredJob, DesiredSource, JobTarget, TargetId } from './model.ts'
import { sortedBy } from './order.ts'
import { pinsOf, validCopies } from './plan-guards.ts'
import { decideRetention, type Retained } from './retention.ts'
import type { Scene } from './scene.ts'

/**
 * Copies that a target of a job lacks and another one has: those that were to be there and failed or
 * went missing, and the newest backup. What that target's own retention would not keep, or let go
 * before, is not brought back.
 */
export function planCopies(scene: Scene, adoptions: readonly AdoptAction[]): readonly CopyAction[] {
  // With a part of the history only, what was pruned there may look as if it had never been.
  if (scene.observed.history.depth !== 'full') return []
  const pins = pinsOf(scene)
  // What is there already only has to be believed.
  const found = new Set(adoptions.map(({ subject, manifest }) => `${subject} ${manifest.backup}`))
  return scene.jobs.flatMap((job) => {
    if (!job.enabled || job.targets.length < 2) return []
    return job.sources.flatMap((source) => {
      if (scene.isBeingRestored(source.group)) return []
      const shelves = job.targets.flatMap((target) => shelfOf(scene, { job, source, target }, pins))
      return sortedBy(shelves, ({ target }) => target.target)
        .flatMap((shelf) => lackingOn(scene, job, shelf, shelves))
        .filter(({ target, from }) => !found.has(`${target} ${from.backup}`))
    })
  })
}

/** A target of a job that was looked at, and what counts on it of one group. */
interface Shelf {
  readonly target: JobTarget
  readonly valid: readonly Retained<Copy>[]
  /** Every copy of the group there that the history knows, in whatever state, by backup. */
  readonly known: ReadonlyMap<BackupId, Copy>
}

interface Spot {
  readonly job: DesiredJob
  readonly source: DesiredSource
  readonly target: JobTarget
}

function shelfOf(
  scene: Scene,
  { job, source, target }: Spot,
  pins: ReturnType<typeof pinsOf>,
): readonly Shelf[] {
  if (!scene.covered(target.target, listPrefix(job, source))) return []
  const { group } = source
  const place = { target: target.target, group }
  const known = new Map(scene.copiesOn(target.target, group).map((copy) => [copy.backup, copy]))
  return [{ target, valid: validCopies(scene, place, pins), known }]
}

function lackingOn(
  scene: Scene,
  { id }: DesiredJob,
  shelf: Shelf,
  shelves: readonly Shelf[],
): readonly CopyAction[] {
  const { target, retention } = shelf.target
  const candidates = healthyElsewhere(scene, shelf, shelves)
  if (candidates.size === 0) return []
  const wanted = [...candidates.values()].map((copy) => ({
    item: copy,
    key: copy.key,
    takenAt: copy.takenAt,
    verifiedAt: null,
    pinned: false,
  }))
  const { keep } = decideRetention([...shelf.valid, ...wanted], retention, scene.now)
  const newest = newestOf(shelves)
  // What waits for its twin before it may go would wait for ever.
  const isTwin = shelves.some((one) => one.target.prunedAfter === target)
  return keep.flatMap(({ item: from }): CopyAction[] => {
    if (candidates.get(from.backup) !== from) return []
    const there = shelf.known.get(from.backup)
    if (!there && from.backup !== newest && !isTwin) return []
    if (stands(scene, target, there?.key ?? from.key)) return []
    const because = there
      ? ({ rule: 'copy-lost', status: there.status } as const)
      : ({ rule: 'copy-lagging' } as const)
    return [{ kind: 'copy', subject: id, target, from, because }]
  })
}

/** Whether an archive of another size stands there with its manifest: nothing is overwritten. */
function stands(scene: Scene, target: TargetId, key: string): boolean {
  const listing = scene.listing(target)
  if (listing.kind !== 'listed') return false
  return listing.objects.has(key) && listing.objects.has(manifestKey(key))
}

/** Of each backup that the shelf lacks, the copy to take: the most proven one, in the job's order of targets. */
function healthyElsewhere(
  scene: Scene,
  shelf: Shelf,
  shelves: readonly Shelf[],
): ReadonlyMap<BackupId, Copy> {
  const here = new Set(shelf.valid.map(({ item }) => item.backup))
  const found = new Map<BackupId, Copy>()
  for (const other of shelves) {
    if (other === shelf) continue
    for (const { item, takenAt } of other.valid) {
      if (!fits(item, other.target, shelf.target)) continue
      if (takenAt > scene.now || here.has(item.backup)) continue
      if (!isOwed(scene, shelf.known.get(item.backup))) continue
      if (scene.attempt(item.backup)?.status !== 'success') continue
      const best = found.get(item.backup)
      if (!best || (best.verify !== 'ok' && item.verify === 'ok')) found.set(item.backup, item)
    }
  }
  return found
}

/** What was let go stays gone; what is thought to be there is asked for before it is replaced. */
function isOwed({ observed, now }: Scene, there: Copy | undefined): boolean {
  if (!there) return true
  // Nothing can be written while the target keeps what a torn one left.
  if (there.retained !== null && there.retained.until > now) return false
  // Without the job's lease nobody can tell whether it is being made this very moment.
  if (there.status === 'writing') return observed.underLease === true
  return there.status !== 'complete' && there.status !== 'pruned'
}

/** As it lies there, or closed on the way: what is closed already is not opened for this. */
function fits({ encryption: closed }: Copy, from: JobTarget, to: JobTarget): boolean {
  const known = closed !== undefined
  if (known ? closed === null : from.encryption === null) return true
  if (to.encryption === null) return false
  return known && closed !== null
    ? isClosedFor(closed, to.encryption)
    : wayOf(from.encryption) === wayOf(to.encryption)
}

function newestOf(shelves: readonly Shelf[]): BackupId | null {
  let newest: Copy | null = null
  for (const { valid } of shelves) {
    for (const { item } of valid) if (!newest || isNewer(item, newest)) newest = item
  }
  return newest?.backup ?? null
}

function isNewer(one: Copy, other: Copy): boolean {
  return one.takenAt !== other.takenAt ? one.takenAt > other.takenAt : one.backup > other.backup
}
