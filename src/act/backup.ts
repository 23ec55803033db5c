import type { BackupAction } from '../core/action.ts'
import type { Backup, Copy, DesiredJob, DesiredSource, Run, RunStatus } from '../core/model.ts'
import type { Lease } from '../leases/lease.ts'
import { messageOf, reportOf, SourceFailed } from '../lib/errors.ts'
import { withTimeLimit } from '../lib/limits.ts'
import { formatBytes } from '../lib/size.ts'
import { formatDuration } from '../lib/time.ts'
import type { World } from '../observe/world.ts'
import { declaredJob, openSource } from '../observe/world.ts'
import { openHolds } from './alone.ts'
import { announceRun, announceStart, type RunNews } from './announce.ts'
import { commitCopies } from './commit.ts'
import { noting } from './notes.ts'
import { endOf, newBackup, newRun } from './rows.ts'
import { makeScratch } from './scratch.ts'
import { type Written, writeCopies } from './write-copies.ts'

/** What a run came to: a result for each source that was owed. */
export interface RunOutcome {
  readonly run: Run
  readonly backups: readonly BackupOutcome[]
}

export interface BackupOutcome {
  readonly backup: Backup
  readonly copies: readonly Copy[]
  /** Null for a success. */
  readonly cause: unknown
}

/**
 * Archives the sources of one action as one run, in the order declared. The failure of a source is
 * a result and does not keep the next one from its backup.
 *
 * A run is `success` when every source is, `partial` when every source reached its quorum and some
 * copy failed, `failed` otherwise.
 */
export async function backup(
  action: BackupAction & { readonly runName: string | null },
  world: World,
  lease: Lease,
  signal: AbortSignal,
): Promise<RunOutcome> {
  const job = declaredJob(world.desired, action.subject)
  const { runName: name, slot, trigger } = action
  const run = newRun(job, { name, slot, trigger }, world)
  await world.store.openRun(run)
  await announceStart(run, world)
  const backups: BackupOutcome[] = []
  for (const name of action.sources) {
    const source = job.sources.find((one) => one.name === name)
    if (!source) continue
    const outcome = await archive(
      { job, source, run, attempt: action.attempt },
      world,
      lease,
      signal,
    )
    if (outcome) backups.push(outcome)
    if (signal.aborted) break
  }
  const status = statusOf(backups, action.sources.length)
  const finishedAt = endOf(run, world)
  const ended = { ...run, status, finishedAt }
  // Told first, and told once however often: a death in between leaves the run open, and the next
  // start tells it again and closes it.
  await announceRun(newsOf(ended, backups), world)
  await world.store.closeRun(run.id, status, finishedAt)
  return { run: ended, backups }
}

function newsOf(run: Run, backups: readonly BackupOutcome[]): RunNews {
  return {
    run,
    backups: backups.map(({ backup: row }) => row),
    copies: backups.flatMap(({ copies }) => copies),
    skip: null,
  }
}

/** One source of one run. */
export interface Attempt {
  readonly job: DesiredJob
  readonly source: DesiredSource
  readonly run: Run
  readonly attempt: number
}

/** Null when another attempt of the slot is under way or has succeeded. */
async function archive(
  attempt: Attempt,
  world: World,
  lease: Lease,
  signal: AbortSignal,
): Promise<BackupOutcome | null> {
  const opened = newBackup({ ...attempt, fence: lease.fence }, world)
  if ((await world.store.openBackup(opened)) === 'taken') return null
  const { job, source, run } = attempt
  world.report({
    event: 'backup.started',
    level: 'info',
    message: `backing up ${job.id}/${source.name}`,
    job: job.id,
    source: source.name,
    run: run.id,
    backup: opened.id,
  })
  const limit = job.maxDuration ?? world.desired.limits.maxDuration
  const limited = withTimeLimit(signal, limit, `the backup of ${job.id}/${source.name}`)
  try {
    const written = await write(opened, attempt, world, limited)
    const outcome = await commitCopies(
      { ...attempt, backup: opened, written },
      world,
      lease,
      limited,
    )
    tell(outcome, world)
    return outcome
  } catch (thrown) {
    const cause = limited.aborted ? limited.reason : thrown
    const outcome = await closeFailed(opened, world, cause)
    tell(outcome, world)
    return outcome
  }
}

async function write(
  backup: Backup,
  { job, source }: Attempt,
  world: World,
  signal: AbortSignal,
): Promise<Written> {
  if (job.targets.length === 0)
    throw new SourceFailed(job.noTarget ?? `job ${job.id} has no target`)
  const plugin = await openSource(world, job, source)
  await using scratch = await makeScratch(world, backup.id)
  const leaveOut = ownPaths(world)
  const about = { kind: source.kind, job: job.id, source: source.name }
  await using holds = openHolds(world)
  const notes = { ...noting(about, backup.id, world), alone: holds.alone }
  await using dump = await plugin.dump(
    { scratch: scratch.path, leaveOut, token: backup.id, ...notes },
    signal,
  )
  const { layer, extension } = plugin
  const content = { layer, extension }
  return await writeCopies({ backup, job, source, content, dump }, world, signal)
}

/** What must never be archived with a source that happens to hold it. */
export function ownPaths(world: World): readonly string[] {
  const { dataDir, scratchDir, targets } = world.desired
  const local = targets.flatMap(({ kind, options }) =>
    kind === 'local' && typeof options.path === 'string' ? [options.path] : [],
  )
  return [dataDir, scratchDir, ...local]
}

async function closeFailed(backup: Backup, world: World, cause: unknown): Promise<BackupOutcome> {
  const finishedAt = endOf(backup, world)
  const error = messageOf(cause)
  const copies = await Promise.all(
    (await world.store.copies(backup.id)).map(async (copy) => {
      const failed: Copy = { ...copy, status: 'failed', error: copy.error ?? error }
      await world.store.saveCopy(failed)
      return failed
    }),
  )
  const end = {
    status: 'failed',
    finishedAt,
    storedBytes: null,
    contentBytes: null,
    error,
    warnings: [],
  } as const
  await world.store.closeBackup(backup.id, end)
  return { backup: { ...backup, ...end }, copies, cause }
}

function tell({ backup, copies, cause }: BackupOutcome, world: World): void {
  const about = {
    job: backup.job,
    source: backup.source,
    run: backup.run,
    backup: backup.id,
    durationMs: (backup.finishedAt ?? world.now()) - backup.startedAt,
  }
  for (const copy of copies.filter(
    ({ status }) => status === 'failed' && backup.status === 'success',
  )) {
    world.report({
      event: 'copy.failed',
      level: 'error',
      message: `no copy of ${backup.job}/${backup.source} on ${copy.target}: ${copy.error}`,
      ...about,
      target: copy.target,
    })
  }
  if (backup.status === 'success') {
    const where = copies.filter(({ status }) => status === 'complete').map(({ target }) => target)
    world.report({
      event: 'backup.done',
      level: backup.warnings.length > 0 ? 'warn' : 'info',
      message: `backed up ${backup.job}/${backup.source} to ${where.join(', ')} (${formatBytes(backup.storedBytes ?? 0)} in ${formatDuration(about.durationMs)})${backup.warnings.map((one) => `; ${one}`).join('')}`,
      ...about,
      target: where.join(','),
      bytes: backup.storedBytes ?? 0,
      ...(copies[0] ? { key: copies[0].key } : {}),
    })
    return
  }
  world.report({
    event: 'backup.failed',
    level: 'error',
    message: `backup of ${backup.job}/${backup.source} failed: ${backup.error}`,
    ...about,
    error: reportOf(cause),
  })
}

function statusOf(backups: readonly BackupOutcome[], owed: number): RunStatus {
  if (backups.length < owed || backups.some(({ backup }) => backup.status !== 'success'))
    return 'failed'
  const partial = backups.some(({ copies }) => copies.some(({ status }) => status !== 'complete'))
  return partial ? 'partial' : 'success'
}
