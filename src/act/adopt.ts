import type { AbandonAction, AdoptAction } from '../core/action.ts'
import { groupOf } from '../core/group.ts'
import type { Backup, Copy, Run } from '../core/model.ts'
import type { World } from '../observe/world.ts'

/** Makes history of a manifest that was found on a target. Doing so twice changes nothing. */
export async function adopt({ manifest, subject }: AdoptAction, world: World): Promise<void> {
  const run: Run = {
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
  const backup: Backup = {
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
  const copy: Copy = {
    backup: manifest.backup,
    target: subject,
    group: backup.group,
    key: manifest.key,
    status: 'complete',
    bytes: manifest.stored.bytes,
    sha256: manifest.stored.sha256,
    readback: null,
    takenAt: manifest.finished,
    verifiedAt: null,
    verify: 'never',
    error: null,
  }
  await world.store.adopt(run, backup, copy)
}

/** Ends an attempt whose owner is gone: it failed, whatever it had written. */
export async function abandon(action: AbandonAction, world: World): Promise<Backup | null> {
  const backup = await world.store.backup(action.backup)
  if (!backup) return null
  const finishedAt = world.now()
  for (const copy of await world.store.copies(backup.id)) {
    if (copy.status !== 'writing') continue
    await world.store.saveCopy({ ...copy, status: 'failed', error: 'abandoned' })
  }
  const end = {
    status: 'failed',
    finishedAt,
    storedBytes: null,
    contentBytes: null,
    error: 'abandoned: the process that ran it ended without a word',
    warnings: [],
  } as const
  await world.store.closeBackup(backup.id, end)
  await world.store.closeRun(backup.run, 'failed', finishedAt)
  return { ...backup, ...end }
}
