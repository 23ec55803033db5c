import type { VerifyAction } from '../core/action.ts'
import type { Copy, JobId } from '../core/model.ts'
import { messageOf, reportOf } from '../lib/errors.ts'
import { formatBytes } from '../lib/size.ts'
import type { World } from '../observe/world.ts'
import { announceOther } from './announce.ts'
import { type Verified, verify } from './verify.ts'

/** What was done, by depth. */
const HOW = {
  content: 'read to its end',
  unpacked: 'unpacked to its end, the dump in it not read: pg_restore is not installed here',
  stored: 'stored bytes only: no identity is configured',
} as const satisfies Record<Verified['depth'], string>

/** Verifies a copy and reports the verdict; a failed one is told to those who hear of failures, too. */
export async function verifyAndTell(
  { copy, subject: job }: Pick<VerifyAction, 'copy' | 'subject'>,
  world: World,
  signal: AbortSignal,
): Promise<void> {
  const began = world.now()
  const about = { job, target: copy.target, key: copy.key, backup: copy.backup }
  try {
    const { depth, bytes, contentBytes, contentSha256, entries } = await verify(
      copy,
      job,
      world,
      signal,
    )
    world.report({
      event: 'verify.done',
      level: 'info',
      message: `verified ${copy.key} on ${copy.target} (${formatBytes(bytes)}, ${HOW[depth]})`,
      ...about,
      bytes,
      durationMs: world.now() - began,
      detail: { depth, contentBytes, contentSha256, entries },
    })
  } catch (error) {
    // Giving way to something more urgent is no verdict.
    if (!signal.aborted) await tellDamaged({ copy, job, error }, world)
    throw error
  }
}

async function tellDamaged(
  { copy, job, error }: { readonly copy: Copy; readonly job: JobId; readonly error: unknown },
  world: World,
): Promise<void> {
  const { target, key, backup: backupId } = copy
  const message = `verify on ${target} failed: ${messageOf(error)}`
  const about = { job, target, key, backup: backupId }
  world.report({
    event: 'verify.failed',
    level: 'error',
    message,
    ...about,
    error: reportOf(error),
  })
  const title = `Verify failed: ${job}`
  const news = {
    type: 'verify.failed',
    title,
    message,
    source: null,
    target,
    backupId,
    key,
    error: messageOf(error),
  } as const
  await announceOther('failure', job, news, world)
}
