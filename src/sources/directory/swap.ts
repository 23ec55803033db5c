import { chmod, chown, lstat, mkdir, readdir } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { exists, isGone } from '../../platform/files.ts'
import type { Move } from '../source.ts'
import { asText } from './carry.ts'
import { isOwnFolder } from './excludes.ts'
import type { Goal } from './goal.ts'
import { naming } from './names.ts'
import { LOST_AND_FOUND, within } from './places.ts'

/** What arrived, what it replaces, and what of the live tree is kept. */
export interface Exchange {
  readonly goal: Goal
  /** Folder of ours that is removed after the swap. */
  readonly holder: string
  /** What takes the place of `goal.path`. */
  readonly origin: string
  /** Where the replaced data goes. */
  readonly previous: string
  /** Paths carried over, from `goal.path` on. */
  readonly carried: readonly string[]
  /** Takes the folders that are made for the replaced data, the topmost first. */
  readonly made: string[]
}

/** Renames in order, none of which finds its `to` taken. */
export interface Swap {
  readonly moves: readonly Move[]
  /** Null when nothing that was there is replaced. */
  readonly previous: string | null
  readonly warnings: readonly string[]
}

/**
 * Plans the swap: the live data out, the restored data in, then what the backup had left out back to
 * its old place. Folders that the moves need are made, all of them inside folders of ours.
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
  const back = await carry(exchange, exchange.carried)
  const there = goal.now !== 'nothing'
  return {
    moves: [
      ...(there ? [{ from: goal.path, to: replaced }] : []),
      { from: origin, to: goal.path },
      ...back.moves,
    ],
    previous: there && goal.inPlace ? replaced : null,
    warnings: back.warnings,
  }
}

/** For a mount point, which no rename moves, and around paths that are in use by ourselves. */
async function swapEntries(exchange: Exchange): Promise<Swap> {
  const { goal, previous, carried } = exchange
  // What was left out and holds a path in use stays with it.
  const holding = carried.filter((path) => goal.stays.some((kept) => within(path, kept) !== null))
  const stays = [...goal.stays, ...holding]
  const plan: EntryPlan = { exchange, stays, skipped: [] }
  const out = await leave(plan, '')
  const moved = new Set(out.map(({ from }) => from))
  const back = await carry(
    exchange,
    carried.filter((path) => wasMoved(join(goal.path, path), moved)),
  )
  // After `carry`, which may have made folders that must go in as well.
  const into = await enter(plan, '')
  return {
    moves: [...out, ...into, ...back.moves],
    previous: out.length > 0 ? previous : null,
    warnings: [
      ...(plan.skipped.length === 0
        ? []
        : [naming('paths of the archive not restored, because they are in use', plan.skipped)]),
      ...(await ownAttributes(exchange)),
      ...back.warnings,
    ],
  }
}

function wasMoved(path: string, moved: ReadonlySet<string>): boolean {
  for (let at = path; at !== dirname(at); at = dirname(at)) if (moved.has(at)) return true
  return false
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
    if (holdsStay(plan, path)) moves.push(...(await leave(plan, path)))
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
    const shared = holdsStay(plan, path)
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

function holdsStay({ stays }: EntryPlan, path: string): boolean {
  return stays.some((kept) => kept.startsWith(`${path}/`))
}

async function namesIn(path: string): Promise<readonly string[]> {
  const names = await readdir(path, 'latin1')
  return names.map(asText).sort()
}

/** Moves back what the backup left out, and makes the folders above it where the archive has none. */
async function carry(
  { goal, origin, previous }: Exchange,
  carried: readonly string[],
): Promise<{ readonly moves: readonly Move[]; readonly warnings: readonly string[] }> {
  const moves: Move[] = []
  const lost: string[] = []
  for (const path of carried) {
    const free = !(await exists(join(origin, path)))
    if (free && (await makeParents(goal.path, origin, dirname(path)))) {
      moves.push({ from: join(previous, path), to: join(goal.path, path) })
    } else lost.push(path)
  }
  const what = 'excluded paths not carried over, because something else is in their place'
  const also = `; until the next backup they are in ${previous}`
  return { moves, warnings: lost.length === 0 ? [] : [naming(what, lost) + also] }
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
