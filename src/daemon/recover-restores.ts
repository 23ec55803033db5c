import { forgetHolds, withHoldsOf } from '../act/holds-left.ts'
import { forgetLoading, halfLoaded, wasLoading } from '../act/loading.ts'
import { realmOf, realmUntil } from '../act/realm.ts'
import { announceRestore } from '../act/restore-and-tell.ts'
import { recoverSwap } from '../act/swap.ts'
import { sweepRestore } from '../act/sweep.ts'
import type { Restore } from '../core/model.ts'
import { holdPatiently, type Turn } from '../leases/lease.ts'
import { messageOf, reportOf } from '../lib/errors.ts'
import { unlessAborted, withTimeLimit } from '../lib/limits.ts'
import type { World } from '../observe/world.ts'
import type { JournalEntry, RestoreEnd } from '../state/store.ts'
import {
  type Abandoned,
  abandonedOf,
  forgetAbandoned,
  forgetStranded,
  isAbandonedHere,
  isOfThisHost,
  tellStranded,
} from './stranded.ts'

/** A pass may take this long over one restore, in milliseconds; a start has more. */
const WITHIN = 15_000

export interface Recovering {
  /** Milliseconds for each restore; who hangs is left behind, and its entry stays for later. */
  readonly limit: number
  /** What was begun here and has not come to an end: it hangs, and another try would hang beside it. */
  readonly tried: Set<string>
}

/**
 * The part that a running daemon owes as well: restores of commands that were killed beside it. Does
 * nothing while another recovery goes on.
 */
export async function recoverRestores(
  world: World,
  signal: AbortSignal,
  { limit = WITHIN, tried = new Set() }: Partial<Recovering> = {},
): Promise<Turn<void>['kind']> {
  const asked = { leases: world.leases, patience: 0 }
  const turn = await holdPatiently(asked, 'recovery', signal, (_lease, held) =>
    recoverRestoresAlone(world, { limit, tried }, held),
  )
  return turn.kind
}

/** The same for who has the lease of recoveries already. Throws what `held` aborts with, at once. */
export async function recoverRestoresAlone(
  world: World,
  recovering: Recovering,
  held: AbortSignal,
): Promise<void> {
  const entries = await world.store.journal()
  const restores = await openRestores(world)
  const each = eachWithin(recovering, world, held)
  for (const entry of entries) {
    if (entry.kind !== 'swap' || restores.notOurs.has(entry.restore)) continue
    const { restore } = entry
    await each(entry, (limited) =>
      withHoldsOf(restore, world, limited, () => finishSwap(entry, world, limited)),
    )
  }
  for (const restore of restores.dead) {
    const about = { id: restore.id, kind: 'restore' } as const
    await each(about, (limited) =>
      withHoldsOf(restore.id, world, limited, () => endDead(restore, world, limited)),
    )
  }
  for (const restore of restores.elsewhere) await tellStranded(restore, world)
}

/** Does one after the other, and tells which could not be done. */
function eachWithin({ limit, tried }: Recovering, world: World, held: AbortSignal) {
  return async (about: Unfinished, work: (limited: AbortSignal) => Promise<void>) => {
    if (tried.has(about.id)) return
    tried.add(about.id)
    const limited = withTimeLimit(held, limit, 'putting a restore in order')
    const done = work(limited).finally(() => tried.delete(about.id))
    await unlessAborted(done, limited).catch((error: unknown) => {
      held.throwIfAborted()
      tellUnfinished(about, error, world)
    })
  }
}

async function endDead(restore: Restore, world: World, signal: AbortSignal): Promise<void> {
  const error = (await wasLoading(restore, world))
    ? `the process that ran it ended without a word; ${halfLoaded(restore)}`
    : 'the process that ran it ended without a word; nothing was replaced'
  const ended = { status: 'failed', finishedAt: world.now(), error, previous: null } as const
  await sweepRestore(restore, world)
  signal.throwIfAborted()
  await close(restore, ended, world)
  await tellRecovered(
    { ...restore, ...ended },
    `the restore of ${restore.key} failed: ${error}`,
    world,
  )
}

/** A person who abandoned it as its host came back was late. */
async function close(restore: Restore, ended: RestoreEnd, world: World): Promise<void> {
  const { id } = restore
  await world.store.closeRestore(id, ended)
  await forgetLoading(restore, world)
  await forgetHolds(restore, world)
  await forgetStranded(id, world)
  await forgetAbandoned(id, world)
}

async function openRestores(world: World) {
  const { restores } = await world.store.history({ depth: 'recent', jobs: null })
  const notOurs = new Set<string>()
  const dead: Restore[] = []
  const elsewhere: Restore[] = []
  for (const restore of restores) {
    if (restore.status !== 'running') continue
    const isLeft = !(await world.leases.isAlive(restore.instance))
    if (isLeft && (await isOfThisHost(restore, world))) {
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

/** An entry of the journal, or a restore that came to none. */
interface Unfinished {
  readonly id: string
  readonly kind: JournalEntry['kind'] | 'restore' | 'standing'
}

/** The entry stays and is tried again; until then nothing of that source is touched. */
export function tellUnfinished({ id, kind }: Unfinished, error: unknown, world: World): void {
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
  signal: AbortSignal,
): Promise<void> {
  const { store } = world
  const { restores } = await store.history({ depth: 'recent', jobs: null })
  const open = restores.find(({ id, status }) => id === entry.restore && status === 'running')
  // The entry goes last here as in a restore: a row that is closed already was closed truly.
  if (open) {
    const { openJournal } = store
    const place = await realmOf({ ...open, previous: entry.previous }, world)
    const realm = realmUntil(place, signal)
    const how = await recoverSwap(entry, { openJournal, closeJournal: async () => {} }, { realm })
    await sweepRestore(open, world)
    signal.throwIfAborted()
    await closeRecovered({ entry, restore: open, how: how.kind }, world)
  } else {
    const abandoned = await abandonedOf(entry.restore, world)
    if (abandoned && !(await isAbandonedHere(abandoned, world))) return
    if (abandoned) await settleAbandoned({ entry, abandoned }, world, signal)
  }
  await store.closeJournal(entry.id)
}

interface Late {
  readonly entry: Extract<JournalEntry, { kind: 'swap' }>
  readonly abandoned: Abandoned
}

/** Its host is back after all. What stands in the history stays: a person said so, and others went by it. */
async function settleAbandoned(
  { entry, abandoned: { restore } }: Late,
  world: World,
  signal: AbortSignal,
): Promise<void> {
  const { openJournal } = world.store
  const place = await realmOf({ ...restore, previous: entry.previous }, world)
  const realm = realmUntil(place, signal)
  const late = { openJournal, closeJournal: async () => {} }
  const how = await recoverSwap(entry, late, { realm, wanted: 'back' })
  await sweepRestore(restore, world)
  signal.throwIfAborted()
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
