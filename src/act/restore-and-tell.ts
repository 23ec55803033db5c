import type { JobId } from '../core/model.ts'
import {
  ArchiveDamaged,
  ManifestRefused,
  messageOf,
  ObjectMissing,
  reportOf,
  TargetUnreachable,
} from '../lib/errors.ts'
import type { World } from '../observe/world.ts'
import { announceOther, type OtherNews } from './announce.ts'
import type { Archive } from './archive.ts'
import { firstReadable } from './resolve.ts'
import { type Restored, restore } from './restore.ts'
import type { RestoreOrder } from './restore-order.ts'

/** What became of a restore into a source; `error` is null when the data was replaced. */
export type RestoreNews = Omit<OtherNews, 'type' | 'title' | 'message'> & { readonly job: JobId }

/**
 * Restores, from another copy where one turns out not to be whole, and tells those whom the job
 * tells: of a failure those who hear of failures, of data that was replaced those who hear of
 * successes. What goes to another place is nobody's news.
 */
export async function restoreAndTell(
  order: RestoreOrder,
  world: World,
  signal: AbortSignal,
): Promise<Restored> {
  try {
    const restored = await restoreFromAny(order, world, signal)
    await tell(order, null, world)
    return restored
  } catch (error) {
    await tell(order, messageOf(signal.aborted ? signal.reason : error), world)
    throw error
  }
}

async function restoreFromAny(
  order: RestoreOrder,
  world: World,
  signal: AbortSignal,
): Promise<Restored> {
  let { archive, others } = order
  for (;;) {
    try {
      return await restore({ ...order, archive, others }, world, signal)
    } catch (error) {
      if (signal.aborted || others.length === 0 || !isOfTheCopy(error)) throw error
      const next = await firstReadable(others, world, signal).catch(() => {
        throw error
      })
      tellNext({ ...order, archive }, next.archive, error, world)
      archive = next.archive
      others = next.others
    }
  }
}

/** Whether another copy may have what this one lacks. */
function isOfTheCopy(error: unknown): boolean {
  return [ArchiveDamaged, ManifestRefused, ObjectMissing, TargetUnreachable].some(
    (kind) => error instanceof kind,
  )
}

function tellNext(
  { archive, place }: RestoreOrder,
  next: Archive,
  error: unknown,
  world: World,
): void {
  world.report({
    event: 'copy.failed',
    level: 'warn',
    message: `cannot restore from ${archive.target ?? archive.name}: ${messageOf(error)}; trying the copy on ${next.copy?.target}`,
    key: archive.name,
    ...(archive.target ? { target: archive.target } : {}),
    ...(place ? { job: place.job.id, source: place.source.name } : {}),
    error: reportOf(error),
  })
}

async function tell(order: RestoreOrder, error: string | null, world: World): Promise<void> {
  const { archive, place, to } = order
  if (place === null || to !== null) return
  const news = {
    job: place.job.id,
    source: place.source.name,
    target: archive.target ?? null,
    backupId: archive.manifest?.backup ?? null,
    key: archive.name,
    error,
  }
  await announceRestore(news, world)
}

/** Tells of a restore that ended, also of one that a recovery ended. Never throws. */
export async function announceRestore({ job, ...news }: RestoreNews, world: World): Promise<void> {
  const what = news.source === null ? job : `${job}/${news.source}`
  const words =
    news.error === null
      ? ({
          type: 'restore.done',
          title: `Restored: ${what}`,
          message: `${news.key} was restored into ${what}`,
        } as const)
      : ({
          type: 'restore.failed',
          title: `Restore failed: ${what}`,
          message: `the restore of ${news.key} into ${what} failed: ${news.error}`,
        } as const)
  const occasion = news.error === null ? 'success' : 'failure'
  await announceOther(occasion, job, { ...news, ...words }, world)
}
