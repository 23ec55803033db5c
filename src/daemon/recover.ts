import { announceRun } from '../act/announce.ts'
import { finishDelete } from '../act/prune.ts'
import { recoverSwap } from '../act/swap.ts'
import { sweepRestore } from '../act/sweep.ts'
import type { Backup, Instant, Restore, Run } from '../core/model.ts'
import { holdPatiently } from '../leases/lease.ts'
import { LeaseBusy, messageOf, reportOf } from '../lib/errors.ts'
import { unreachable } from '../lib/unreachable.ts'
import type { World } from '../observe/world.ts'
import type { JournalEntry } from '../state/store.ts'

/**
 * Finishes or takes back what a crash cut short: swaps before anything else reads the sources, then
 * deletions. Entries of instances that still live are theirs to finish.
 */
export async function recover(world: World, signal: AbortSignal): Promise<void> {
  const asked = { leases: world.leases, patience: PATIENCE }
  // Two that finish one swap at once would take each other's moves for their own.
  const turn = await holdPatiently(asked, 'recovery', signal, (_lease, held) =>
    recoverAlone(world, held),
  )
  if (turn.kind === 'busy') throw new LeaseBusy('the recovery after a crash', turn.holder)
}

/** How long another process may take to put in order what we would. */
const PATIENCE = 60_000

async function recoverAlone(world: World, signal: AbortSignal): Promise<void> {
  await closeRuns(world)
  for (const entry of await world.store.journal()) {
    if (entry.kind === 'delete') await recoverEntry(entry, world, signal)
  }
  await recoverRestoresAlone(world, signal)
}

/** The part that a running daemon owes as well: restores of commands that were killed beside it. */
export async function recoverRestores(world: World, signal: AbortSignal): Promise<void> {
  const asked = { leases: world.leases, patience: 0 }
  await holdPatiently(asked, 'recovery', signal, (_lease, held) =>
    recoverRestoresAlone(world, held),
  )
}

async function recoverRestoresAlone(world: World, signal: AbortSignal): Promise<void> {
  const entries = await world.store.journal()
  const restores = await openRestores(world)
  for (const entry of entries) {
    if (entry.kind !== 'swap' || restores.alive.has(entry.restore)) continue
    await recoverEntry(entry, world, signal)
  }
  for (const restore of restores.dead) {
    const ended = {
      status: 'failed',
      finishedAt: world.now(),
      error: 'the process that ran it ended without a word; nothing was replaced',
      previous: null,
    } as const
    await sweepRestore(restore, world)
    await world.store.closeRestore(restore.id, ended)
  }
}

/**
 * Ends runs whose owner died after their last source ended: no attempt of theirs is left for the
 * plan to settle.
 */
async function closeRuns(world: World): Promise<void> {
  const { runs, backups, copies } = await world.store.history({ depth: 'recent', jobs: null })
  for (const run of runs) {
    if (run.status !== 'running' || (await world.leases.isAlive(run.instance))) continue
    const ours = backups.filter((backup) => backup.run === run.id)
    if (ours.some(({ status }) => status === 'pending' || status === 'running')) continue
    const succeeded = coversJob(run, ours, world)
    const ends = ours.map((backup) => backup.finishedAt ?? run.startedAt)
    const finishedAt = Math.max(run.startedAt, ...ends) as Instant
    const ended: Run = { ...run, status: succeeded ? 'success' : 'failed', finishedAt }
    const ids = new Set(ours.map(({ id }) => id))
    const theirs = copies.filter(({ backup }) => ids.has(backup))
    await announceRun({ run: ended, backups: ours, copies: theirs, skip: null }, world)
    await world.store.closeRun(run.id, ended.status, finishedAt)
  }
}

/** A source that never got its row is no success: only a run that has one for each is. */
function coversJob(run: Run, backups: readonly Backup[], world: World): boolean {
  const job = world.desired.jobs.find(({ id }) => id === run.job)
  const done = new Set(
    backups.flatMap(({ source, status }) => (status === 'success' ? [source] : [])),
  )
  return job?.sources.every(({ name }) => done.has(name)) ?? false
}

async function openRestores(world: World) {
  const { restores } = await world.store.history({ depth: 'recent', jobs: null })
  const alive = new Set<string>()
  const dead: Restore[] = []
  for (const restore of restores) {
    if (restore.status !== 'running') continue
    if (await world.leases.isAlive(restore.instance)) alive.add(restore.id)
    else dead.push(restore)
  }
  const swapped = new Set(
    (await world.store.journal()).map((entry) => (entry.kind === 'swap' ? entry.restore : null)),
  )
  return { alive, dead: dead.filter(({ id }) => !swapped.has(id)) }
}

async function recoverEntry(entry: JournalEntry, world: World, signal: AbortSignal): Promise<void> {
  try {
    if (entry.kind === 'delete') await finishDelete(entry, world, signal)
    else if (entry.kind === 'swap') await finishSwap(entry, world)
    else unreachable(entry)
  } catch (error) {
    // The entry stays and is tried again; until then nothing of that source is touched.
    if (!world.news(`recovery ${entry.id}`, messageOf(error))) return
    world.report({
      event: 'pass.failed',
      level: 'error',
      message: `could not finish what a crash cut short: ${messageOf(error)}`,
      error: reportOf(error),
      detail: { journal: entry.id, kind: entry.kind },
    })
  }
}

async function finishSwap(
  entry: Extract<JournalEntry, { kind: 'swap' }>,
  world: World,
): Promise<void> {
  const { store } = world
  const { restores } = await store.history({ depth: 'recent', jobs: null })
  const open = restores.find(({ id, status }) => id === entry.restore && status === 'running')
  // The entry goes last here as in a restore: a row that is closed already was closed truly.
  if (open) {
    const { openJournal } = store
    const how = await recoverSwap(entry, { openJournal, closeJournal: async () => {} })
    await sweepRestore(open, world)
    await closeRecovered(entry, how.kind, world)
  }
  await store.closeJournal(entry.id)
}

async function closeRecovered(
  entry: Extract<JournalEntry, { kind: 'swap' }>,
  how: 'forward' | 'back',
  world: World,
): Promise<void> {
  const done = how === 'forward'
  await world.store.closeRestore(entry.restore, {
    status: done ? 'success' : 'failed',
    finishedAt: world.now(),
    error: done ? null : 'cut short by a crash: the data from before is in place',
    previous: done ? entry.previous : null,
  })
  world.report({
    event: done ? 'restore.done' : 'restore.failed',
    level: done ? 'warn' : 'error',
    message: done
      ? 'finished a restore that a crash had cut short'
      : 'took back a restore that a crash had cut short: the data from before is in place',
    detail: { restore: entry.restore },
  })
}
