import type { Restore } from '../core/model.ts'
import { messageOf, reportOf } from '../lib/errors.ts'
import { openSource, type World } from '../observe/world.ts'

/**
 * Removes what a restore whose process died had staged beside the data. Never throws: what cannot be
 * removed costs disk space and is told, and the next restore of the place tries again.
 */
export async function sweepRestore(restore: Restore, world: World): Promise<void> {
  const job = world.desired.jobs.find(({ id }) => id === restore.job)
  const source = job?.sources.find(({ name }) => name === restore.source)
  // Of a source that is not declared any more nobody can tell where it staged.
  if (!job || !source) return
  try {
    const opened = await openSource(world, job, source)
    await opened.sweep({ to: restore.inPlace ? null : restore.to, token: restore.id })
  } catch (error) {
    world.report({
      event: 'pass.failed',
      level: 'warn',
      message: `could not remove what the restore of ${restore.key} had staged: ${messageOf(error)}`,
      job: job.id,
      source: source.name,
      error: reportOf(error),
    })
  }
}
