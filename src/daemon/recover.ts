import { endOrphanedRun } from '../act/end-run.ts'
import { finishDeletes, openDeletes } from '../act/finish-deletes.ts'
import { realmOf } from '../act/realm.ts'
import { announceRestore } from '../act/restore-and-tell.ts'
import { sweepScratch } from '../act/scratch.ts'
import { recoverSwap } from '../act/swap.ts'
import { sweepRestore } from '../act/sweep.ts'
import type { Restore, Run } from '../core/model.ts'
import { hold, holdPatiently } from '../leases/lease.ts'
import { LeaseBusy, messageOf, reportOf } from '../lib/errors.ts'
import { unlessAborted, withTimeLimit } from '../lib/limits.ts'
import type { World } from '../observe/world.ts'
import type { JournalEntry, OpenWork, RestoreEnd } from '../state/store.ts'
import {
  type Abandoned,
  abandonedOf,
  forgetAbandoned,
  forgetStranded,
  hostOf,
  isAbandonedHere,
  tellStranded,
} from './stranded.ts'

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
}

/** How long another process may take to put in order what we would. */
const PATIENCE = 60_000

async function recoverAlone(world: World, signal: AbortSignal): Promise<void> {
  await sweepScratch(world)
  await closeRuns(world, async ({ instance }) => !(await world.leases.isAlive(instance)))
  await recoverDeletes(world, signal)
  await recoverRestoresAlone(world)
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

/** The part that a running daemon owes as well: restores of commands that were killed beside it. */
export async function recoverRestores(world: World, signal: AbortSignal): Promise<void> {
  const asked = { leases: world.leases, patience: 0 }
  await holdPatiently(asked, 'recovery', signal, () => recoverRestoresAlone(world))
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

async function recoverRestoresAlone(world: World): Promise<void> {
  const entries = await world.store.journal()
  const restores = await openRestores(world)
  for (const entry of entries) {
    if (entry.kind !== 'swap' || restores.notOurs.has(entry.restore)) continue
    await finishSwap(entry, world).catch((error: unknown) => tellUnfinished(entry, error, world))
  }
  for (const restore of restores.dead) {
    const error = 'the process that ran it ended without a word; nothing was replaced'
    const ended = { status: 'failed', finishedAt: world.now(), error, previous: null } as const
    await sweepRestore(restore, world)
    await close(restore, ended, world)
    await tellRecovered(
      { ...restore, ...ended },
      `the restore of ${restore.key} failed: ${error}`,
      world,
    )
  }
  for (const restore of restores.elsewhere) await tellStranded(restore, world)
}

/** A person who abandoned it as its host came back was late. */
async function close({ id }: Restore, ended: RestoreEnd, world: World): Promise<void> {
  await world.store.closeRestore(id, ended)
  await forgetStranded(id, world)
  await forgetAbandoned(id, world)
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

async function openRestores(world: World) {
  const { restores } = await world.store.history({ depth: 'recent', jobs: null })
  const isOfThisHost = await hostOf(world)
  const notOurs = new Set<string>()
  const dead: Restore[] = []
  const elsewhere: Restore[] = []
  for (const restore of restores) {
    if (restore.status !== 'running') continue
    const isLeft = !(await world.leases.isAlive(restore.instance))
    if (isLeft && isOfThisHost(restore)) {
      dead.push(restore)
      continue
    }
    notOurs.add(restore.id)
    if (isLeft) elsewhere.push(restore)
  }
  const swapped = new Set(
    (await world.store.journal()).map((entry) => (entry.kind === 'swap' ? entry.restore : null)),
  )
  return { notOurs, elsewhere, dead: dead.filter(({ id }) => !swapped.has(id)) }
}

/** The entry stays and is tried again; until then nothing of that source is touched. */
function tellUnfinished(
  { id, kind }: Pick<JournalEntry, 'id' | 'kind'>,
  error: unknown,
  world: World,
): void {
  if (!world.news(`recovery ${id}`, messageOf(error))) return
  world.report({
    event: 'pass.failed',
    level: 'error',
    message: `could not finish what a crash cut short: ${messageOf(error)}`,
    error: reportOf(error),
    detail: { journal: id, kind },
  })
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
    const realm = await realmOf({ ...open, previous: entry.previous }, world)
    const how = await recoverSwap(entry, { openJournal, closeJournal: async () => {} }, { realm })
    await sweepRestore(open, world)
    await closeRecovered({ entry, restore: open, how: how.kind }, world)
  } else {
    const abandoned = await abandonedOf(entry.restore, world)
    if (abandoned && !isAbandonedHere(abandoned, world)) return
    if (abandoned) await settleAbandoned(entry, abandoned, world)
  }
  await store.closeJournal(entry.id)
}

/** Its host is back after all. What stands in the history stays: a person said so, and others went by it. */
async function settleAbandoned(
  entry: Extract<JournalEntry, { kind: 'swap' }>,
  { restore }: Abandoned,
  world: World,
): Promise<void> {
  const { openJournal } = world.store
  const realm = await realmOf({ ...restore, previous: entry.previous }, world)
  const late = { openJournal, closeJournal: async () => {} }
  const how = await recoverSwap(entry, late, { realm, wanted: 'back' })
  await sweepRestore(restore, world)
  const where = entry.previous === null ? '' : `, that from before is kept at ${entry.previous}`
  const message =
    how.kind === 'forward'
      ? `the restore of ${restore.key} into ${restore.to} was abandoned after its data was in place here: it stays${where}`
      : `took back the restore of ${restore.key} into ${restore.to}, which was abandoned: the data from before is in place`
  world.report({
    event: 'restore.abandoned',
    level: 'warn',
    message,
    key: restore.key,
    ...(restore.job === null ? {} : { job: restore.job }),
    ...(restore.source === null ? {} : { source: restore.source }),
    detail: { restore: restore.id, swap: how.kind, previous: entry.previous },
  })
  await forgetAbandoned(restore.id, world)
}

interface Recovered {
  readonly entry: Extract<JournalEntry, { kind: 'swap' }>
  readonly restore: Restore
  readonly how: 'forward' | 'back'
}

async function closeRecovered({ entry, restore, how }: Recovered, world: World): Promise<void> {
  const done = how === 'forward'
  const ended = {
    status: done ? 'success' : 'failed',
    finishedAt: world.now(),
    error: done ? null : 'cut short by a crash: the data from before is in place',
    previous: done ? entry.previous : null,
  } as const
  await close(restore, ended, world)
  const message = done
    ? 'finished a restore that a crash had cut short'
    : 'took back a restore that a crash had cut short: the data from before is in place'
  await tellRecovered({ ...restore, ...ended }, message, world)
}

async function tellRecovered(restore: Restore, message: string, world: World): Promise<void> {
  const { error, id, job, source, target, key, backup } = restore
  world.report({
    event: error === null ? 'restore.done' : 'restore.failed',
    level: error === null ? 'warn' : 'error',
    message,
    key,
    ...(job === null ? {} : { job }),
    ...(source === null ? {} : { source }),
    detail: { restore: id },
  })
  if (job === null || !restore.inPlace) return
  await announceRestore({ job, source, target, key, backupId: backup, error }, world)
}
