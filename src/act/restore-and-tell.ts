import { messageOf } from '../lib/errors.ts'
import type { World } from '../observe/world.ts'
import { announceOther } from './announce.ts'
import { type Restored, type RestoreOrder, restore } from './restore.ts'

/**
 * Restores, and tells those whom the job tells: of a failure those who hear of failures, of data that
 * was replaced those who hear of successes. What goes to another place is nobody's news.
 */
export async function restoreAndTell(
  order: RestoreOrder,
  world: World,
  signal: AbortSignal,
): Promise<Restored> {
  try {
    const restored = await restore(order, world, signal)
    await tell(order, null, world)
    return restored
  } catch (error) {
    await tell(order, messageOf(signal.aborted ? signal.reason : error), world)
    throw error
  }
}

async function tell(
  { archive, place, to }: RestoreOrder,
  error: string | null,
  world: World,
): Promise<void> {
  if (place === null || to !== null) return
  const what = `${place.job.id}/${place.source.name}`
  const news = {
    ...(error === null
      ? {
          type: 'restore.done' as const,
          title: `Restored: ${what}`,
          message: `${archive.name} was restored into ${what}`,
        }
      : {
          type: 'restore.failed' as const,
          title: `Restore failed: ${what}`,
          message: `the restore of ${archive.name} into ${what} failed: ${error}`,
        }),
    source: place.source.name,
    target: archive.copy?.target ?? null,
    backupId: archive.manifest?.backup ?? null,
    key: archive.name,
    error,
  }
  await announceOther(error === null ? 'success' : 'failure', place.job.id, news, world)
}
