import { rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { messageOf, RestoreFailed } from '../lib/errors.ts'
import { exists, isGone, makeFolders, PathTaken, syncFolder } from '../platform/files.ts'
import type { Move } from '../sources/source.ts'
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

/**
 * Makes the moves of `entry`, then removes its leftovers. Throws `RestoreFailed`, or the signal's
 * reason, with the old data in place and the staged data where it was. Only when taking back failed
 * too is the entry still in the journal; the error then says so, and `recoverSwap` goes on from there.
 */
export async function swap(
  entry: SwapEntry,
  journal: SwapJournal,
  signal?: AbortSignal,
): Promise<SwapEnd> {
  signal?.throwIfAborted()
  const start = await progressOf(entry.moves)
  if (start?.made !== 0 || !start.complete) {
    throw failure(entry, `nothing was moved: ${await conflict(entry.moves)}`)
  }
  await journal.openJournal(entry)
  const made: Move[] = []
  try {
    await makeAll(entry.moves, made, signal)
  } catch (error) {
    await takeBack(entry, made, error)
    await journal.closeJournal(entry.id)
    if (signal?.aborted && error === signal.reason) throw error
    throw failure(entry, `the old data is in place: ${messageOf(error)}`, error)
  }
  return finish(entry, journal)
}

/**
 * Ends a swap that a crash cut off: makes the rest of its moves when all they need is there, else
 * takes back those that were made. Doing so twice changes nothing. Throws `RestoreFailed` and moves
 * nothing when something that is not of the swap stands in its way; the entry stays in the journal.
 */
export async function recoverSwap(entry: SwapEntry, journal: SwapJournal): Promise<SwapEnd> {
  const found = await progressOf(entry.moves)
  if (!found) {
    throw failure(entry, `it can neither be finished nor taken back: ${await layout(entry.moves)}`)
  }
  // The crash may have come between a rename and its sync, on the way there or back.
  for (const move of entry.moves.slice(Math.max(0, found.made - 1), found.made + 1)) {
    await settle(move).catch((error: unknown) => {
      if (!isGone(error)) throw error
    })
  }
  const made = entry.moves.slice(0, found.made)
  if (found.complete && (await goesForward(entry, made))) return finish(entry, journal)
  if (!found.complete) await takeBack(entry, made, new Error('staged data is missing'))
  await journal.closeJournal(entry.id)
  return { kind: 'back', leftovers: entry.leftovers }
}

/** False when a move could not be made; all of them are then taken back. */
async function goesForward(entry: SwapEntry, made: Move[]): Promise<boolean> {
  try {
    await makeAll(entry.moves.slice(made.length), made)
    return true
  } catch (error) {
    await takeBack(entry, made, error)
    return false
  }
}

/** Makes the moves in order, adding each one to `made` as soon as it is. */
async function makeAll(moves: readonly Move[], made: Move[], signal?: AbortSignal): Promise<void> {
  for (const move of moves) {
    signal?.throwIfAborted()
    if (await exists(move.to)) throw new PathTaken(move.to)
    await rename(move.from, move.to)
    made.push(move)
    await settle(move)
  }
}

async function takeBack(entry: SwapEntry, made: readonly Move[], cause: unknown): Promise<void> {
  try {
    for (const { from, to } of made.toReversed()) {
      await makeFolders(dirname(from), 0o700) // a staging folder may have been swept meanwhile
      if (await exists(from)) throw new PathTaken(from)
      await rename(to, from)
      await settle({ from: to, to: from })
    }
  } catch (error) {
    const why = `${messageOf(cause)}; taking it back failed too: ${messageOf(error)}`
    throw failure(entry, `${why}; ${await layout(entry.moves)}`, error)
  }
}

/** The new name first: a power cut between the two leaves two names rather than none. */
async function settle({ from, to }: Move): Promise<void> {
  await syncFolder(dirname(to))
  if (dirname(from) !== dirname(to)) await syncFolder(dirname(from))
}

async function finish(entry: SwapEntry, journal: SwapJournal): Promise<SwapEnd> {
  const kept = [...entry.moves.map(({ to }) => to), ...(entry.previous ? [entry.previous] : [])]
  const leftovers: string[] = []
  for (const path of entry.leftovers) {
    const holds = kept.some((one) => one === path || one.startsWith(`${path}/`))
    if (!holds) await rm(path, { recursive: true, force: true }).catch(() => {})
    if (await exists(path)) leftovers.push(path)
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
async function conflict(moves: readonly Move[]): Promise<string> {
  const freed = new Set<string>()
  for (const { from, to } of moves) {
    if (!(await exists(from))) return `${from} is missing`
    if (!freed.has(to) && (await exists(to))) return `${to} exists already`
    freed.add(from)
  }
  return 'the moves contradict each other'
}

/** What is where, for the person who has to look; of long lists the first moves. */
async function layout(moves: readonly Move[]): Promise<string> {
  const tell = async (path: string) => `${path} (${(await exists(path)) ? 'there' : 'missing'})`
  const lines: string[] = []
  for (const { from, to } of moves.slice(0, 4))
    lines.push(`${await tell(from)} → ${await tell(to)}`)
  return lines.join(', ') + (moves.length > 4 ? `, and ${moves.length - 4} more` : '')
}
