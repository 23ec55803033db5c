import { rm } from 'node:fs/promises'
import { basename } from 'node:path'
import { archiveOfPin, listPrefixes } from '../core/archive-key.ts'
import type { GroupId, Restore, TargetId } from '../core/model.ts'
import { ObjectMissing } from '../lib/errors.ts'
import { openTarget, type World } from '../observe/world.ts'
import { readText } from '../stream/text.ts'

/**
 * Lets go of a restore of which nothing is needed any more: the data from before it goes, and so do
 * the pins that it set. Pins that somebody else set stay.
 */
export async function release(restore: Restore, world: World, signal: AbortSignal): Promise<void> {
  // Restores of one archive share its pin: the last of them to be let go takes it away.
  if (!(await isAnotherOwed(restore, world))) {
    for (const { id } of world.desired.targets) await unpinOf(restore, id, world, signal)
  }
  if (restore.previous !== null && isOurs(restore.previous)) {
    await rm(restore.previous, { recursive: true, force: true })
    for (const suffix of ['-wal', '-shm', '-journal'])
      await rm(restore.previous + suffix, { force: true })
  }
  await world.store.releaseRestore(restore.id)
}

/** Whether what is pinned is some other restore's way back. */
async function isAnotherOwed({ id, group }: Restore, world: World): Promise<boolean> {
  const { restores } = await world.store.history({ depth: 'recent', jobs: null })
  return restores.some(
    (one) =>
      one.id !== id &&
      one.group === group &&
      one.inPlace &&
      !one.released &&
      (one.status === 'running' || one.status === 'success'),
  )
}

async function unpinOf(
  restore: Restore,
  id: TargetId,
  world: World,
  signal: AbortSignal,
): Promise<void> {
  if (restore.group === null) return
  const target = await openTarget(world, id)
  for (const prefix of prefixesOf(restore, restore.group, world)) {
    for await (const { key } of target.list(prefix, signal)) {
      if (archiveOfPin(key) === null) continue
      const text = await readText(target, key, signal).catch((error) => {
        if (error instanceof ObjectMissing) return ''
        throw error
      })
      if (OF_RESTORE.test(text)) await target.remove(key, signal)
    }
  }
}

/** The reason of a pin that a restore set, by its id. */
const OF_RESTORE = /"restore:[0-9a-z]{18}"/

/** Where archives of the source may stand: in its group, and where the job's own template puts them. */
function prefixesOf(restore: Restore, group: GroupId, world: World): ReadonlySet<string> {
  const job = world.desired.jobs.find(({ id }) => id === restore.job)
  const source = job?.sources.find(({ name }) => name === restore.source)
  return new Set([`${group}/`, ...(job && source ? listPrefixes(job, source) : [])])
}

/** A path out of our own history is still checked before it is removed: the history is a file that can be edited. */
function isOurs(path: string): boolean {
  return basename(path).includes('holdfast-previous')
}
