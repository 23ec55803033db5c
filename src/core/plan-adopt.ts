import type { AdoptAction } from './action.ts'
import type { Manifest } from './manifest.ts'
import type { Backup, BackupId, TargetId } from './model.ts'
import { groupedBy, sortedBy } from './order.ts'
import { isOpen, isWhole } from './plan-attempts.ts'
import { type Listed, onListed } from './plan-objects.ts'
import type { Scene } from './scene.ts'

interface Found {
  readonly target: TargetId
  readonly manifest: Manifest
  /** Null: the history knows nothing of it. */
  readonly attempt: Backup | null
}

/**
 * Manifests of ours that the history does not count as complete copies, with their archives whole.
 * Those of open attempts are not touched: a living owner is about to say so itself, and
 * `settleAttempts` has judged the others.
 */
export function planAdoptions(scene: Scene): readonly AdoptAction[] {
  const found = onListed(scene, (target, listing) => unknownManifests(scene, target, listing))
  const holders = holdersOfFailed(scene, found)
  const require = new Map(scene.jobs.map((job) => [job.id, job.require]))

  return found.map(({ target, manifest, attempt }) => {
    const action = { kind: 'adopt', subject: target, key: manifest.key, manifest } as const
    if (attempt === null) return { ...action, because: { rule: 'manifest-found' } }
    const held = holders.get(attempt.id)?.size ?? 0
    const isProven = attempt.status === 'failed' && held >= (require.get(attempt.job) ?? 1)
    const rule = isProven ? 'proven-complete' : 'copy-found'
    return { ...action, because: { rule, backup: attempt.id } }
  })
}

function unknownManifests(scene: Scene, target: TargetId, listing: Listed): readonly Found[] {
  if (listing.manifests.size === 0) return []
  const copies = scene.allCopiesOn(target).filter((copy) => copy.status === 'complete')
  const complete = new Set(copies.map((copy) => copy.key))
  return sortedBy(listing.manifests, ([key]) => key).flatMap(([key, one]): Found[] => {
    if (one.kind === 'foreign' || complete.has(key)) return []
    if (!isWhole(key, one.manifest, listing.objects.get(key)?.bytes)) return []
    const attempt = scene.attempt(one.manifest.backup)
    if (attempt !== null && (isOpen(attempt.status) || scene.settled.has(attempt.id))) return []
    return [{ target, manifest: one.manifest, attempt }]
  })
}

/** The targets that hold an archive of each failed attempt that something was found of. */
function holdersOfFailed(
  scene: Scene,
  found: readonly Found[],
): ReadonlyMap<BackupId, ReadonlySet<TargetId>> {
  const failed = groupedBy(
    found.filter((one) => one.attempt?.status === 'failed'),
    (one) => one.manifest.backup,
  )
  const holders = new Map<BackupId, Set<TargetId>>()
  for (const [id, those] of failed) holders.set(id, new Set(those.map((one) => one.target)))
  if (failed.size === 0) return holders
  for (const { backup, target, status } of scene.observed.history.copies) {
    if (status === 'complete') holders.get(backup)?.add(target)
  }
  return holders
}
