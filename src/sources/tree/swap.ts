import { chmod, chown, lstat, mkdir, readdir } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { exists, isGone } from '../../platform/files.ts'
import { within } from '../../platform/paths.ts'
import type { Move } from '../source.ts'
import { asText } from './carry.ts'
import { isOwnFolder } from './excludes.ts'
import type { Goal } from './goal.ts'
import { naming } from './names.ts'
import { LOST_AND_FOUND } from './places.ts'

/*
 * Moves are journaled, and after a crash a look at which paths exist tells how many were made. So no
 * move may carry the path of another one along unseen: what the backup left out is parked in a folder
 * of its own before its surroundings move, and put back after them.
 */

/** What arrived, what it replaces, and what of the live tree is kept. */
export interface Exchange {
  readonly goal: Goal
  /** Folder of ours that is removed after the swap. */
  readonly holder: string
  /** What takes the place of `goal.path`. */
  readonly origin: string
  /** Where the replaced data goes. */
  readonly previous: string
  /** Where what is carried over waits; never removed while something is in it. */
  readonly park: string
  /** Paths carried over, from `goal.path` on. */
  readonly carried: readonly string[]
  /** Takes the folders that are made for the moves, the topmost first. */
  readonly made: string[]
}

/** Renames in order, none of which finds its `to` taken. */
export interface Swap {
  readonly moves: readonly Move[]
  /** Null when nothing that was there is replaced. */
  readonly previous: string | null
  readonly warnings: readonly string[]
}

/** What is carried over, on its way out and back. */
interface Carry {
  readonly out: readonly Move[]
  readonly back: readonly Move[]
  readonly warnings: readonly string[]
}

/**
 * Plans the swap: the live data out, the restored data in, and what the backup had left out stays at
 * its place. Folders that the moves need are made, all of them inside folders of ours.
 */
export async function planSwap(exchange: Exchange): Promise<Swap> {
  const { goal, origin } = exchange
  const isFolder = (await lstat(origin)).isDirectory()
  if (goal.now === 'folder' && !goal.inPlace && !isFolder) {
    const to = join(goal.path, basename(origin))
    return { moves: [{ from: origin, to }], previous: null, warnings: [] }
  }
  return goal.way === 'entries' ? await swapEntries(exchange) : await swapWhole(exchange)
}

async function swapWhole(exchange: Exchange): Promise<Swap> {
  const { goal, holder, origin } = exchange
  const replaced = goal.inPlace ? exchange.previous : join(holder, 'replaced')
  const { out, back, warnings } = await carry(exchange, exchange.carried)
  const there = goal.now !== 'nothing'
  return {
    moves: [
      ...out,
      ...(there ? [{ from: goal.path, to: replaced }] : []),
      { from: origin, to: goal.path },
      ...back,
    ],
    previous: there && goal.inPlace ? replaced : null,
    warnings,
  }
}

/** For a mount point, which no rename moves, and around paths that are in use by ourselves. */
async function swapEntries(exchange: Exchange): Promise<Swap> {
  const { goal, carried, previous } = exchange
  // What was left out simply stays where the folder that it is in stays, or where it holds what does.
  const unmoved = carried.filter((path) => {
    const folder = dirname(path)
    return folder === '.' || holdsStay(goal.stays, folder) || holdsStay(goal.stays, path)
  })
  const stays = [...new Set([...goal.stays, ...unmoved])]
  const plan: EntryPlan = { exchange, stays, skipped: [] }
  const moved = carried.filter((path) => !stays.some((kept) => within(kept, path) !== null))
  const { out, back, warnings } = await carry(exchange, moved)
  const leaving = await leave(plan, '')
  // After `carry`, which may have made folders that must go in as well.
  const entering = await enter(plan, '')
  return {
    moves: [...out, ...leaving, ...entering, ...back],
    previous: leaving.length > 0 ? previous : null,
    warnings: [
      ...(plan.skipped.length === 0
        ? []
        : [
            naming(
              'paths of the archive not restored, because what is there is kept',
              plan.skipped,
            ),
          ]),
      ...(await ownAttributes(exchange)),
      ...warnings,
    ],
  }
}

interface EntryPlan {
  readonly exchange: Exchange
  readonly stays: readonly string[]
  readonly skipped: string[]
}

/** Live entries to the previous folder; only the folders that hold something in use are gone into. */
async function leave(plan: EntryPlan, way: string): Promise<readonly Move[]> {
  const { goal, previous, made } = plan.exchange
  const moves: Move[] = []
  await mkdir(join(previous, way), { mode: 0o700 })
  made.push(join(previous, way))
  for (const name of await namesIn(join(goal.path, way))) {
    const path = join(way, name)
    if (stayIn(plan, way, name)) continue
    if (holdsStay(plan.stays, path)) moves.push(...(await leave(plan, path)))
    else moves.push({ from: join(goal.path, path), to: join(previous, path) })
  }
  return moves
}

/** Staged entries to where the live ones were. */
async function enter(plan: EntryPlan, way: string): Promise<readonly Move[]> {
  const { goal, origin } = plan.exchange
  const moves: Move[] = []
  for (const name of await namesIn(join(origin, way))) {
    const path = join(way, name)
    const from = join(origin, path)
    const shared = holdsStay(plan.stays, path)
    if (stayIn(plan, way, name) && (await exists(join(goal.path, path)))) {
      if (name !== LOST_AND_FOUND) plan.skipped.push(path)
    } else if (!shared) moves.push({ from, to: join(goal.path, path) })
    else if ((await lstat(from)).isDirectory()) moves.push(...(await enter(plan, path)))
    else plan.skipped.push(path)
  }
  return moves
}

function stayIn({ stays, exchange }: EntryPlan, way: string, name: string): boolean {
  if (stays.includes(join(way, name))) return true
  if (way !== '') return false
  return isOwnFolder(name) || (name === LOST_AND_FOUND && exchange.goal.base === null)
}

function holdsStay(stays: readonly string[], path: string): boolean {
  return stays.some((kept) => kept.startsWith(`${path}/`))
}

async function namesIn(path: string): Promise<readonly string[]> {
  const names = await readdir(path, 'latin1')
  return names.map(asText).sort()
}

/** Parks what the backup left out and puts it back, in folders that are made where the archive has none. */
async function carry(
  { goal, origin, park, previous, made }: Exchange,
  carried: readonly string[],
): Promise<Carry> {
  const out: Move[] = []
  const back: Move[] = []
  const lost: string[] = []
  for (const path of carried) {
    const free = !(await exists(join(origin, path)))
    if (free && (await makeParents(goal.path, origin, dirname(path)))) {
      const parked = join(park, String(out.length))
      out.push({ from: join(goal.path, path), to: parked })
      back.push({ from: parked, to: join(goal.path, path) })
    } else lost.push(path)
  }
  if (out.length > 0) {
    await mkdir(park, { mode: 0o700 })
    made.push(park)
  }
  const what = 'excluded paths not carried over, because something else is in their place'
  const also = `; until the next backup they are in ${previous}`
  return { out, back, warnings: lost.length === 0 ? [] : [naming(what, lost) + also] }
}

/** Makes the folders of `way` under `origin` as they are under `live`; false when a file is there. */
async function makeParents(live: string, origin: string, way: string): Promise<boolean> {
  if (way === '.') return true
  if (!(await makeParents(live, origin, dirname(way)))) return false
  const path = join(origin, way)
  try {
    return (await lstat(path)).isDirectory()
  } catch (error) {
    if (!isGone(error)) throw error
  }
  await makeLike(join(live, way), path)
  return true
}

/** A new folder with the owner and mode of another one. */
export async function makeLike(model: string, path: string): Promise<void> {
  const { mode, uid, gid } = await lstat(model)
  await mkdir(path, { mode: 0o700 })
  // Only root can give it away; then it stays ours.
  await chown(path, uid, gid).catch(() => {})
  await chmod(path, mode & 0o7777)
}

async function ownAttributes({ goal, origin }: Exchange): Promise<readonly string[]> {
  const [here, there] = await Promise.all([lstat(goal.path), lstat(origin)])
  const say = ({ mode, uid, gid }: typeof here) => `${(mode & 0o7777).toString(8)} ${uid}:${gid}`
  if (say(here) === say(there)) return []
  return [
    `${goal.path} itself keeps its mode and owner ${say(here)}; the archive has ${say(there)}`,
  ]
}
