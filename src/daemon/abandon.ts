import { announceRestore } from '../act/restore-and-tell.ts'
import type { InstanceSeen } from '../core/fleet.ts'
import type { Restore } from '../core/model.ts'
import { holdPatiently } from '../leases/lease.ts'
import { LeaseBusy, ReferenceUnknown, Refused } from '../lib/errors.ts'
import type { World } from '../observe/world.ts'
import type { JournalEntry } from '../state/store.ts'
import { forgetStranded, instanceOf, isOfThisHost, saveAbandoned } from './stranded.ts'

/** A restore of another host that nobody is at any more. */
export interface Abandonable {
  readonly restore: Restore
  /** Who began it; null where nobody remembers. */
  readonly who: InstanceSeen | null
  /** Renames that it had begun there, in order; empty before it came to that. */
  readonly moves: readonly { readonly from: string; readonly to: string }[]
}

/**
 * The open restore of that id. Throws `ReferenceUnknown` where none is open, `LeaseBusy` while its
 * instance lives, and `Refused` where this host can put it in order.
 */
export async function findAbandonable(id: string, world: World): Promise<Abandonable> {
  const { restores } = await world.store.history({ depth: 'recent', jobs: null })
  const open = restores.filter(({ status }) => status === 'running')
  const restore = open.find((one) => one.id === id)
  if (!restore) {
    const ids = open.map((one) => one.id).join(', ')
    throw new ReferenceUnknown(`no restore ${id} is open`, {
      hint: open.length > 0 ? `open are: ${ids}` : 'look at what there is with: holdfast status',
    })
  }
  const who = await instanceOf(restore, world)
  if (await world.leases.isAlive(restore.instance)) {
    const holder = who ? `instance ${who.name} (pid ${who.pid} on ${who.host})` : 'its instance'
    throw new LeaseBusy(`restore ${id}`, `${holder}, which lives`, {
      hint: 'wait for its end, or stop that process first',
    })
  }
  if (await isOfThisHost(restore, world)) {
    throw new Refused(`restore ${id} was begun on this host, which can put it in order`, {
      hint: 'start the daemon here: it finishes the restore or takes it back, by its journal',
    })
  }
  return { restore, who, moves: await movesOf(restore, world) }
}

async function movesOf({ id }: Restore, { store }: World): Promise<Abandonable['moves']> {
  const isSwap = (one: JournalEntry) => one.kind === 'swap' && one.restore === id
  const entry = (await store.journal()).find(isSwap)
  return entry?.kind === 'swap' ? entry.moves : []
}

export interface Abandoning {
  readonly author: string
  readonly reason: string
  /** How long to wait for a recovery that goes on, in milliseconds. */
  readonly patience: number
}

/**
 * Settles the restore as failed, so that its source is backed up again. Its journal stays for its
 * host, should that come back. Throws as `findAbandonable`, and `LeaseBusy` while a recovery goes on.
 */
export async function abandonRestore(
  id: string,
  { author, reason, patience }: Abandoning,
  world: World,
  signal: AbortSignal,
): Promise<Restore> {
  const asked = { leases: world.leases, patience }
  const turn = await holdPatiently(asked, 'recovery', signal, async () => {
    // Its host may have come back since somebody looked.
    const { restore, who } = await findAbandonable(id, world)
    const finishedAt = world.now()
    const error = `abandoned by ${author}: ${reason}`
    const ended = { status: 'failed', finishedAt, error, previous: null } as const
    // Its mark first: an entry of a settled restore without one is taken for done by everybody.
    await saveAbandoned({ restore, name: who?.name ?? null, at: finishedAt }, world)
    await world.store.closeRestore(restore.id, ended)
    await forgetStranded(restore.id, world)
    return { ...restore, ...ended }
  })
  if (turn.kind === 'busy') throw new LeaseBusy('the recovery after a crash', turn.holder)
  await tell(turn.value, { author, reason }, world)
  return turn.value
}

async function tell(
  restore: Restore,
  why: Pick<Abandoning, 'author' | 'reason'>,
  world: World,
): Promise<void> {
  const { id, job, source, target, key, backup, error } = restore
  world.report({
    event: 'restore.abandoned',
    level: 'warn',
    message: `the restore of ${key} into ${restore.to} was ${error}`,
    key,
    ...(job === null ? {} : { job }),
    ...(source === null ? {} : { source }),
    detail: { restore: id, ...why },
  })
  if (job === null || !restore.inPlace) return
  await announceRestore({ job, source, target, key, backupId: backup, error }, world)
}
