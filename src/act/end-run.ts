import { livingSources } from '../core/members.ts'
import type { Backup, Copy, Instant, JobId, Run, RunId } from '../core/model.ts'
import type { World } from '../observe/world.ts'
import { announceRun } from './announce.ts'

/**
 * Ends a run whose owner died, as its attempts ended, and tells it. One of which an attempt is still
 * open is left alone: the plan settles that first.
 */
export async function endOrphanedRun(
  run: Run,
  backups: readonly Backup[],
  world: World,
): Promise<void> {
  const ours = backups.filter((backup) => backup.run === run.id)
  if (ours.some(({ status }) => status === 'pending' || status === 'running')) return
  const copies = (await Promise.all(ours.map(({ id }) => world.store.copies(id)))).flat()
  const ends = ours.map((backup) => backup.finishedAt ?? run.startedAt)
  const finishedAt = Math.max(run.startedAt, ...ends) as Instant
  const ofSlot = backups.filter(({ job, slot }) => job === run.job && slot === run.slot)
  const slot = run.slot === null ? ours : [...ours, ...ofSlot]
  const status = statusOf(run.job, { backups: slot, copies }, world)
  await announceRun(
    { run: { ...run, status, finishedAt }, backups: ours, copies, skip: null },
    world,
  )
  await world.store.closeRun(run.id, status, finishedAt)
}

/** As `endOrphanedRun`, for the run of an attempt that its manifest proved complete. */
export async function endProvenRun(id: RunId, job: JobId, world: World): Promise<void> {
  const { runs, backups } = await world.store.history({ depth: 'recent', jobs: [job] })
  const run = runs.find((one) => one.id === id && one.status === 'running')
  if (run) await endOrphanedRun(run, backups, world)
}

interface Ended {
  /** Of the run, and of its slot: a retry owes only what failed before it. */
  readonly backups: readonly Backup[]
  readonly copies: readonly Copy[]
}

/** A source that never got its row is no success: only a run that has one for each is. */
function statusOf(id: JobId, { backups, copies }: Ended, world: World) {
  const job = world.desired.jobs.find((one) => one.id === id)
  const done = new Set(
    backups.flatMap(({ source, status }) => (status === 'success' ? [source] : [])),
  )
  if (!job || !livingSources(job).every(({ name }) => done.has(name))) return 'failed'
  return copies.some(({ status }) => status === 'failed') ? 'partial' : 'success'
}
