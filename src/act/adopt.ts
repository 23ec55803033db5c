import type { AbandonAction, AdoptAction } from '../core/action.ts'
import { groupOf } from '../core/group.ts'
import type { Manifest } from '../core/manifest.ts'
import type { Backup, Copy, Run, TargetId } from '../core/model.ts'
import { isOpen } from '../core/plan-attempts.ts'
import { ABANDONED } from '../core/retry.ts'
import type { World } from '../observe/world.ts'
import { endProvenRun } from './end-run.ts'

/**
 * Makes history of a manifest that was found on a target. Doing so twice changes nothing. A copy of
 * an attempt whose outcome stands counts again, and the attempt stays what it was.
 */
export async function adopt(
  { manifest, subject, because }: AdoptAction,
  world: World,
): Promise<void> {
  const copy = await withVerdict(copyOfManifest(manifest, subject), world)
  if (because.rule === 'copy-found') return await world.store.saveCopy(copy)
  await world.store.adopt(runOf(manifest), backupOf(manifest), copy)
  // Its owner died before it could tell: those who heard of the start are owed the end.
  if (because.rule === 'proven-complete') await endProvenRun(manifest.run, manifest.job, world)
}

/** What was learned of this very archive while it was known before is still true of it. */
async function withVerdict(copy: Copy, world: World): Promise<Copy> {
  const known = (await world.store.copies(copy.backup)).find(
    ({ target, key, sha256 }) =>
      target === copy.target && key === copy.key && sha256 === copy.sha256,
  )
  if (!known) return copy
  const { verify, verifiedAt, readback } = known
  return { ...copy, verify, verifiedAt, readback }
}

function runOf(manifest: Manifest): Run {
  return {
    id: manifest.run,
    job: manifest.job,
    name: manifest.runName,
    slot: manifest.slot,
    trigger: 'adopted',
    status: 'success',
    instance: manifest.instance,
    startedAt: manifest.started,
    finishedAt: manifest.finished,
  }
}

function backupOf(manifest: Manifest): Backup {
  return {
    id: manifest.backup,
    run: manifest.run,
    runName: manifest.runName,
    job: manifest.job,
    organization: manifest.organization,
    app: manifest.app,
    source: manifest.source.name,
    sourceKind: manifest.source.type,
    group: groupOf({ ...manifest, source: manifest.source.name }),
    slot: manifest.slot,
    attempt: manifest.attempt,
    trigger: 'adopted',
    status: 'success',
    instance: manifest.instance,
    fence: manifest.fence,
    startedAt: manifest.started,
    finishedAt: manifest.finished,
    storedBytes: manifest.stored.bytes,
    contentBytes: null,
    error: null,
    warnings: manifest.warnings,
  }
}

/** The copy on `target` that a manifest of ours tells of. */
export function copyOfManifest(manifest: Manifest, target: TargetId): Copy {
  return {
    backup: manifest.backup,
    target,
    group: groupOf({ ...manifest, source: manifest.source.name }),
    key: manifest.key,
    status: 'complete',
    bytes: manifest.stored.bytes,
    sha256: manifest.stored.sha256,
    encryption: manifest.encryption,
    readback: null,
    takenAt: manifest.finished,
    verifiedAt: null,
    verify: 'never',
    error: null,
    retained: null,
  }
}

/**
 * Ends an attempt whose owner is gone: it failed, whatever it had written. Null where it had come to
 * its end meanwhile: an instance with another file may know its job, and settle it too.
 */
export async function abandon(action: AbandonAction, world: World): Promise<Backup | null> {
  const backup = await world.store.backup(action.backup)
  if (!backup || !isOpen(backup.status)) return null
  const finishedAt = world.now()
  for (const copy of await world.store.copies(backup.id)) {
    if (copy.status !== 'writing') continue
    await world.store.saveCopy({ ...copy, status: 'failed', error: ABANDONED })
  }
  const end = {
    status: 'failed',
    finishedAt,
    storedBytes: null,
    contentBytes: null,
    error: `${ABANDONED}: the process that ran it ended without a word`,
    warnings: [],
  } as const
  await world.store.closeBackup(backup.id, end)
  await world.store.closeRun(backup.run, 'failed', finishedAt)
  return { ...backup, ...end }
}
