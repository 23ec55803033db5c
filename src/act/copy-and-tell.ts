import type { CopyAction } from '../core/action.ts'
import type { Lease } from '../leases/lease.ts'
import { messageOf, reportOf } from '../lib/errors.ts'
import { formatBytes } from '../lib/size.ts'
import { formatDuration } from '../lib/time.ts'
import type { World } from '../observe/world.ts'
import { copyArchive } from './copy.ts'

/** Brings a target a copy that it lacks, and says so; a failure is told with the target's name. */
export async function copyAndTell(
  action: CopyAction,
  world: World,
  lease: Lease,
  signal: AbortSignal,
): Promise<void> {
  const { subject: job, target, from } = action
  const began = world.now()
  const about = { job, target, backup: from.backup }
  try {
    const copy = await copyArchive(action, world, lease, signal)
    const durationMs = world.now() - began
    world.report({
      event: 'copy.done',
      level: 'info',
      message: `copied ${copy.key} from ${from.target} to ${target} (${formatBytes(copy.bytes ?? 0)} in ${formatDuration(durationMs)})`,
      ...about,
      key: copy.key,
      bytes: copy.bytes ?? 0,
      durationMs,
      detail: { from: from.target },
    })
  } catch (error) {
    // Giving way to something more urgent is no failure.
    if (!signal.aborted) {
      world.report({
        event: 'copy.failed',
        level: 'error',
        message: `could not copy ${from.key} from ${from.target} to ${target}: ${messageOf(error)}`,
        ...about,
        key: from.key,
        error: reportOf(error),
        detail: { from: from.target },
      })
    }
    throw error
  }
}
