import type { AbandonAction, AdoptAction } from './action.ts'
import { manifestKey } from './archive-key.ts'
import type { Manifest } from './manifest.ts'
import type {
  Backup,
  BackupId,
  BackupStatus,
  Copy,
  Desired,
  Instant,
  JobId,
  RunStatus,
  TargetId,
} from './model.ts'
import type { History, Observed } from './observed.ts'
import { groupedBy, sortedBy } from './order.ts'
import { coverageOf } from './prefixes.ts'
import { ABANDONED } from './retry.ts'

/** What becomes of attempts whose owner is gone, and the history as it reads once that is done. */
export interface Settled {
  readonly actions: readonly (AbandonAction | AdoptAction)[]
  readonly closed: ReadonlySet<BackupId>
  readonly history: History
}

/** A manifest with its archive of the right size, as a target shows it. */
interface Proof {
  readonly target: TargetId
  readonly manifest: Manifest
}

/**
 * Judges every open attempt whose owner is gone. Enough targets with manifest and archive prove a
 * success; a target that could not be looked at leaves the question open, as it may hold the proof;
 * whatever remains is abandoned.
 */
export function settleAttempts(desired: Desired, observed: Observed, now: Instant): Settled {
  const { history, alive } = observed
  const orphans = history.backups.filter((one) => isOpen(one.status) && !alive.has(one.instance))
  if (orphans.length === 0) return { actions: [], closed: new Set(), history }

  const ids = new Set(orphans.map((one) => one.id))
  const copies = groupedBy(
    history.copies.filter((one) => ids.has(one.backup)),
    (one) => one.backup,
  )
  const proofs = proofsOf(desired, observed, ids)
  const judge = judging(desired, observed)
  const actions: (AbandonAction | AdoptAction)[] = []
  const verdicts = new Map<BackupId, 'success' | 'failed'>()

  for (const orphan of sortedBy(orphans, (one) => `${one.startedAt} ${one.id}`)) {
    const own = copies.get(orphan.id) ?? []
    const found = proofs.get(orphan.id) ?? []
    const verdict = judge(orphan, own, found)
    if (verdict === 'unknown') continue
    verdicts.set(orphan.id, verdict)
    for (const { target, manifest } of found) {
      const rule = verdict === 'success' ? 'proven-complete' : 'copy-found'
      const because = { rule, backup: orphan.id } as const
      actions.push({ kind: 'adopt', subject: target, key: manifest.key, manifest, because })
    }
    if (verdict === 'failed') actions.push(abandon(orphan))
  }
  return {
    actions,
    closed: new Set(verdicts.keys()),
    history: withVerdicts(history, verdicts, now),
  }
}

/** Whether an attempt or run has not come to its end. */
export function isOpen(status: BackupStatus | RunStatus): boolean {
  return status === 'pending' || status === 'running'
}

function abandon({ job, id, instance }: Backup): AbandonAction {
  return { kind: 'abandon', subject: job, backup: id, because: { rule: 'owner-gone', instance } }
}

type Verdict = 'success' | 'failed' | 'unknown'

function judging(desired: Desired, observed: Observed) {
  const require = new Map<JobId, number>(desired.jobs.map((job) => [job.id, job.require]))
  const declared = new Set(desired.targets.map((one) => one.id))
  const covered = coverageOf(observed.listings)
  // A target that the file no longer names will never be looked at: waiting for it has no end.
  const mayHold = (copy: Copy) =>
    copy.status === 'writing' && declared.has(copy.target) && !covered(copy.target, copy.key)
  // Listed, but nobody has read it yet.
  const unread = (copy: Copy) => {
    const listing = observed.listings.get(copy.target)
    return (
      listing?.kind === 'listed' &&
      listing.objects.has(manifestKey(copy.key)) &&
      !listing.manifests.has(copy.key)
    )
  }

  return (orphan: Backup, copies: readonly Copy[], proofs: readonly Proof[]): Verdict => {
    const holders = new Set(proofs.map((one) => one.target))
    for (const { status, target } of copies) if (status === 'complete') holders.add(target)
    // Without a manifest in hand there is nothing to close the attempt with, so it stays open.
    const enough = holders.size >= (require.get(orphan.job) ?? 1)
    if (enough) return proofs.length > 0 ? 'success' : 'unknown'
    const open = copies.some((copy) => mayHold(copy) || (!holders.has(copy.target) && unread(copy)))
    return open ? 'unknown' : 'failed'
  }
}

function proofsOf(
  desired: Desired,
  observed: Observed,
  orphans: ReadonlySet<BackupId>,
): ReadonlyMap<BackupId, readonly Proof[]> {
  const proofs: Proof[] = []
  for (const { id } of sortedBy(desired.targets, (one) => one.id)) {
    const listing = observed.listings.get(id)
    if (listing?.kind !== 'listed') continue
    for (const [key, found] of sortedBy(listing.manifests, ([key]) => key)) {
      if (found.kind !== 'ours' || !orphans.has(found.manifest.backup)) continue
      if (isWhole(key, found.manifest, listing.objects.get(key)?.bytes)) {
        proofs.push({ target: id, manifest: found.manifest })
      }
    }
  }
  return groupedBy(proofs, (one) => one.manifest.backup)
}

/** Whether a manifest speaks of the archive that it lies beside, and that is there at its full size. */
export function isWhole(key: string, manifest: Manifest, listed: number | undefined): boolean {
  return manifest.key === key && manifest.stored.bytes === listed
}

function withVerdicts(
  history: History,
  verdicts: ReadonlyMap<BackupId, 'success' | 'failed'>,
  now: Instant,
): History {
  const settled = (one: Backup): Backup => {
    const status = verdicts.get(one.id)
    if (status === undefined) return one
    return { ...one, status, finishedAt: now, error: status === 'failed' ? ABANDONED : null }
  }
  return { ...history, backups: history.backups.map(settled) }
}
