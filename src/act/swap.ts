import { messageOf, RestoreFailed } from '../lib/errors.ts'
import { fileRealm } from '../platform/file-realm.ts'
import { isGone } from '../platform/files.ts'
import type { Move, Realm } from '../sources/source.ts'
import type { JournalEntry, Store } from '../state/store.ts'
import { progressOf } from './swap-progress.ts'

/*
 * A swap is a list of renames of which all are made, or none.
 *
 * The list is in the journal before the first rename and leaves it after the last. Each rename is
 * atomic, never overwrites, and is on the disk before the next one; they are made strictly in order
 * and taken back in reverse. So whatever a crash leaves, it is "the first so many are made", and a
 * look at which paths exist tells how many: no counter that could lie is kept.
 */

export type SwapEntry = Extract<JournalEntry, { kind: 'swap' }>
export type SwapJournal = Pick<Store, 'openJournal' | 'closeJournal'>

export interface SwapEnd {
  /** `forward`: the new data is in place, the old at `previous`. `back`: as before the swap. */
  readonly kind: 'forward' | 'back'
  /** Leftovers of the entry that are still there; after `back` the staged data is among them. */
  readonly leftovers: readonly string[]
}

/** Where a swap is made; without a realm it is the file system of this host. */
export interface SwapOptions {
  readonly realm?: Realm
  readonly signal?: AbortSignal
}

/**
 * Makes the moves of `entry`, then removes its leftovers. Throws `RestoreFailed`, or the signal's
 * reason, with the old data in place and the staged data where it was. Only when taking back failed
 * too is the entry still in the journal; the error then says so, and `recoverSwap` goes on from there.
 */
export async function swap(
  entry: SwapEntry,
  journal: SwapJournal,
  { realm = fileRealm, signal }: SwapOptions = {},
): Promise<SwapEnd> {
  signal?.throwIfAborted()
  const start = await progressOf(entry.moves, realm)
  if (start?.made !== 0 || !start.complete) {
    throw failure(entry, `nothing was moved: ${await conflict(entry.moves, realm)}`)
  }
  await journal.openJournal(entry)
  const made: Move[] = []
  try {
    await makeAll(entry.moves, { realm, made, signal })
  } catch (error) {
    if (realm.renameAll && (await isWhole(entry, realm, error)))
      return await finish(entry, journal, realm)
    await takeBack({ entry, made, realm }, error)
    await journal.closeJournal(entry.id)
    if (signal?.aborted && error === signal.reason) throw error
    throw failure(entry, `the old data is in place: ${messageOf(error)}`, error)
  }
  return await finish(entry, journal, realm)
}

/**
 * Ends a swap that a crash cut off: makes the rest of its moves when all they need is there, else
 * takes back those that were made. Doing so twice changes nothing. Throws `RestoreFailed` and moves
 * nothing when something that is not of the swap stands in its way; the entry stays in the journal.
 *
 * `back` makes no move more: one that was begun is taken back, one that was made whole stays, because
 * somebody may have worked on the new data since.
 */
export async function recoverSwap(
  entry: SwapEntry,
  journal: SwapJournal,
  { realm = fileRealm, wanted = 'forward' }: RecoveryOptions = {},
): Promise<SwapEnd> {
  const found = await progressOf(entry.moves, realm)
  if (!found) {
    const where = await layout(entry.moves, realm)
    throw failure(entry, `it can neither be finished nor taken back: ${where}`)
  }
  // The crash may have come between a rename and its sync, on the way there or back.
  for (const move of entry.moves.slice(Math.max(0, found.made - 1), found.made + 1)) {
    await realm.settle(move).catch((error: unknown) => {
      if (!isGone(error)) throw error
    })
  }
  const swapping = { entry, made: entry.moves.slice(0, found.made), realm }
  const isWhole = found.made === entry.moves.length
  const tries = found.complete && (isWhole || wanted === 'forward')
  if (tries && (await goesForward(swapping))) return await finish(entry, journal, realm)
  if (!tries) await takeBack(swapping, new Error(TAKEN_BACK[wanted]))
  await journal.closeJournal(entry.id)
  return { kind: 'back', leftovers: entry.leftovers }
}

/** Where a swap is recovered, and whether it is to be finished or taken back. */
export interface RecoveryOptions {
  readonly realm?: Realm
  readonly wanted?: SwapEnd['kind']
}

/** Why moves are taken back that nothing stood in the way of, by what was wanted. */
const TAKEN_BACK = { forward: 'staged data is missing', back: 'the restore was abandoned' } as const

interface Swapping {
  readonly entry: SwapEntry
  /** Moves that are made, in their order. */
  readonly made: Move[]
  readonly realm: Realm
}

/**
 * Whether moves that go together were made, although whoever made them heard otherwise: the word that
 * they were may be lost on its way. Throws `RestoreFailed` while nobody can tell.
 */
async function isWhole(entry: SwapEntry, realm: Realm, cause: unknown): Promise<boolean> {
  const found = await progressOf(entry.moves, realm).catch((error: unknown) => {
    throw failure(entry, `nobody can tell whether it was made: ${messageOf(error)}`, cause)
  })
  return found?.made === entry.moves.length
}

/** False when a move could not be made; all of them are then taken back. */
async function goesForward(swapping: Swapping): Promise<boolean> {
  const { entry, made, realm } = swapping
  try {
    await makeAll(entry.moves.slice(made.length), { realm, made })
    return true
  } catch (error) {
    if (realm.renameAll && (await isWhole(entry, realm, error))) return true
    await takeBack(swapping, error)
    return false
  }
}

interface Making {
  readonly realm: Realm
  readonly made: Move[]
  readonly signal?: AbortSignal | undefined
}

/** Makes the moves in order, adding each one to `made` as soon as it is. */
async function makeAll(moves: readonly Move[], { realm, made, signal }: Making): Promise<void> {
  if (realm.renameAll) {
    await realm.renameAll(moves)
    made.push(...moves)
    for (const move of moves) await realm.settle(move)
    return
  }
  for (const move of moves) {
    signal?.throwIfAborted()
    await realm.rename(move)
    made.push(move)
    await realm.settle(move)
  }
}

async function takeBack({ entry, made, realm }: Swapping, cause: unknown): Promise<void> {
  const back = made.toReversed().map(({ from, to }) => ({ from: to, to: from }))
  try {
    for (const { to } of back) await realm.makeRoom(to) // a staging folder may have been swept meanwhile
    await makeAll(back, { realm, made: [] })
  } catch (error) {
    const why = `${messageOf(cause)}; taking it back failed too: ${messageOf(error)}`
    throw failure(entry, `${why}; ${await layout(entry.moves, realm)}`, error)
  }
}

async function finish(entry: SwapEntry, journal: SwapJournal, realm: Realm): Promise<SwapEnd> {
  const kept = [...entry.moves.map(({ to }) => to), ...(entry.previous ? [entry.previous] : [])]
  const leftovers: string[] = []
  for (const path of entry.leftovers) {
    const holds = kept.some((one) => one === path || one.startsWith(`${path}/`))
    if (!holds) await realm.remove(path).catch(() => {})
    if (await realm.exists(path)) leftovers.push(path)
  }
  await journal.closeJournal(entry.id)
  return { kind: 'forward', leftovers }
}

function failure(entry: SwapEntry, why: string, cause?: unknown): RestoreFailed {
  return new RestoreFailed(`cannot swap in the data of restore ${entry.restore}: ${why}`, {
    cause,
    ...(entry.moves[0] ? { at: entry.moves[0].from } : {}),
    hint: 'nothing is lost: put the paths named here in order, then start again',
  })
}

/** The first path that keeps a swap from starting. */
async function conflict(moves: readonly Move[], realm: Realm): Promise<string> {
  const freed = new Set<string>()
  for (const { from, to } of moves) {
    if (!(await realm.exists(from))) return `${from} is missing`
    if (!freed.has(to) && (await realm.exists(to))) return `${to} exists already`
    freed.add(from)
  }
  return 'the moves contradict each other'
}

/** What is where, for the person who has to look; of long lists the first moves. */
async function layout(moves: readonly Move[], realm: Realm): Promise<string> {
  const tell = async (path: string) =>
    `${path} (${(await realm.exists(path)) ? 'there' : 'missing'})`
  const lines: string[] = []
  for (const { from, to } of moves.slice(0, 4))
    lines.push(`${await tell(from)} → ${await tell(to)}`)
  return lines.join(', ') + (moves.length > 4 ? `, and ${moves.length - 4} more` : '')
}
