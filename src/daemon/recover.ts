import { endOrphanedRun } from '../act/end-run.ts'
import { finishDeletes, openDeletes } from '../act/finish-deletes.ts'
import { wakeStanding } from '../act/notes.ts'
import { sweepScratch } from '../act/scratch.ts'
import type { Run } from '../core/model.ts'
import { hold, holdPatiently } from '../leases/lease.ts'
import { LeaseBusy } from '../lib/errors.ts'
import { unlessAborted, withTimeLimit } from '../lib/limits.ts'
import type { World } from '../observe/world.ts'
import type { OpenWork } from '../state/store.ts'
import { recoverRestoresAlone, tellUnfinished } from './recover-restores.ts'

/**
 * Finishes or takes back what a crash cut short: swaps before anything else reads the sources, then
 * deletions. Sweeps what dead instances left in scratch. Entries of instances that still live are theirs to finish.
 */
export async function recover(world: World, signal: AbortSignal): Promise<void> {
  const asked = { leases: world.leases, patience: PATIENCE }
  // Two that finish one swap at once would take each other's moves for their own.
  const turn = await holdPatiently(asked, 'recovery', signal, (_lease, held) =>
    recoverAlone(world, held),
  )
  if (turn.kind === 'busy') throw new LeaseBusy('the recovery after a crash', turn.holder)
  await wakeFirst(world, signal)
}

/** Those that a dead one left standing still; last, and no longer than an engine that works may take. */
async function wakeFirst(world: World, signal: AbortSignal): Promise<void> {
  const what = 'what a dead backup left standing still'
  const limited = withTimeLimit(signal, PATIENCE, what)
  try {
    await unlessAborted(wakeStanding(world, limited), limited)
  } catch (error) {
    signal.throwIfAborted()
    tellUnfinished({ id: 'standing', kind: 'standing' }, error, world)
  }
}

/** How long another process may take to put in order what we would, in milliseconds. */
const PATIENCE = 60_000

async function recoverAlone(world: World, signal: AbortSignal): Promise<void> {
  await sweepScratch(world)
  await closeRuns(world, async ({ instance }) => !(await world.leases.isAlive(instance)))
  await recoverDeletes(world, signal)
  await recoverRestoresAlone(world, { limit: PATIENCE, tried: new Set() }, signal)
}

/** Whoever holds a job is at its deletions, or finishes them when it next begins a turn. */
async function recoverDeletes(world: World, signal: AbortSignal): Promise<void> {
  // A target that hangs must not keep the daemon from its start.
  const limited = withTimeLimit(signal, PATIENCE, 'what a crash cut short of deletions')
  for (const [job, entries] of await openDeletes(world)) {
    try {
      await hold(world.leases, `job:${job}`, limited, (_lease, held) =>
        unlessAborted(finishDeletes(entries, world, held), held),
      )
    } catch (error) {
      signal.throwIfAborted()
      tellUnfinished({ id: `delete ${job}`, kind: 'delete' }, error, world)
    }
  }
}

/** Runs that were left beside a running daemon, between their last attempt and their own end. */
export async function recoverRuns(
  left: readonly OpenWork[],
  world: World,
  signal: AbortSignal,
): Promise<void> {
  const asked = { leases: world.leases, patience: 0 }
  const isLeft = ({ job, instance }: Run) =>
    left.some((one) => one.job === job && one.instance === instance)
  await holdPatiently(asked, 'recovery', signal, () => closeRuns(world, isLeft))
}

/** No attempt of theirs may be left for the plan to settle: then nobody else ends them. */
async function closeRuns(
  world: World,
  isLeft: (run: Run) => boolean | Promise<boolean>,
): Promise<void> {
  const { runs, backups } = await world.store.history({ depth: 'recent', jobs: null })
  for (const run of runs) {
    if (run.status !== 'running' || !(await isLeft(run))) continue
    await endOrphanedRun(run, backups, world)
  }
}
