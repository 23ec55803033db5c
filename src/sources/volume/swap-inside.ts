import type { Move } from '../source.ts'
import { isOwnFolder } from '../tree/excludes.ts'
import { naming } from '../tree/names.ts'
import { LOST_AND_FOUND } from '../tree/places.ts'
import { INSIDE } from './place.ts'
import { nameInside } from './realm.ts'
import { namesInside } from './session.ts'
import type { InsideWork } from './stage-inside.ts'

export interface SwapInside {
  readonly moves: readonly Move[]
  readonly previous: string | null
  readonly warnings: readonly string[]
}

/**
 * Plans the swap of all that is in the volume, as `tree/swap.ts` does for a mount point: what the
 * backup had left out stays, or is parked while its surroundings move.
 */
export async function planSwapInside(
  work: InsideWork,
  carried: readonly string[],
  signal: AbortSignal,
): Promise<SwapInside> {
  const { session, tree, previous, empty } = work
  const stays = new Set(carried.filter((path) => !path.includes('/')))
  const { out, back, lost } = await park(
    work,
    carried.filter((path) => path.includes('/')),
  )
  const isKept = (name: string) => isOwnFolder(name) || name === LOST_AND_FOUND || stays.has(name)
  const live = (await namesInside(session, INSIDE, signal)).filter((name) => !isKept(name))
  const staged = await namesInside(session, tree, signal)
  const skipped = staged.filter((name) => stays.has(name))
  if (live.length > 0) await session.must(['mkdir', '-m', '700', '--', previous])
  if (empty) await takeLook(work)
  const leaving = live.map((name) => moveOf(work, `${INSIDE}/${name}`, `${previous}/${name}`))
  const entering = staged
    .filter((name) => !isKept(name))
    .map((name) => moveOf(work, `${tree}/${name}`, `${INSIDE}/${name}`))
  const kept = 'paths of the archive not restored, because what is there is kept'
  const also = 'excluded paths not carried over, because something else is in their place'
  return {
    moves: [...out, ...leaving, ...entering, ...back],
    previous: leaving.length > 0 ? nameOf(work, previous) : null,
    warnings: [
      ...(skipped.length > 0 ? [naming(kept, skipped)] : []),
      ...(lost.length > 0 ? [naming(also, lost)] : []),
    ],
  }
}

/** Plans the swap of one member: into its place, or with the topmost folder that is missing there. */
export async function planMember(work: InsideWork, only: string): Promise<SwapInside> {
  const { session, tree, previous } = work
  const parts = only.split('/')
  let depth = 1
  while (depth < parts.length && (await isThere(work, parts.slice(0, depth)))) depth++
  const path = parts.slice(0, depth).join('/')
  const replaced = await isThere(work, parts.slice(0, depth))
  const into = `${previous}/${depth}`
  if (replaced) await session.must(['mkdir', '-m', '700', '--', previous])
  return {
    moves: [
      ...(replaced ? [moveOf(work, `${INSIDE}/${path}`, into)] : []),
      moveOf(work, `${tree}/${path}`, `${INSIDE}/${path}`),
    ],
    previous: replaced ? nameOf(work, previous) : null,
    warnings: [],
  }
}

async function isThere({ session }: InsideWork, parts: readonly string[]): Promise<boolean> {
  const path = `${INSIDE}/${parts.join('/')}`
  return (await session.run(['test', '-e', path, '-o', '-L', path])).code === 0
}

/** A volume without anything in it gets the owner and mode that its folder had: a server may insist. */
async function takeLook({ session, tree }: InsideWork): Promise<void> {
  await session.must(['chown', `--reference=${tree}`, '--', INSIDE])
  await session.must(['chmod', `--reference=${tree}`, '--', INSIDE])
}

interface Parked {
  readonly out: readonly Move[]
  readonly back: readonly Move[]
  readonly lost: readonly string[]
}

async function park(work: InsideWork, carried: readonly string[]): Promise<Parked> {
  const { session, tree, park: room } = work
  const out: Move[] = []
  const back: Move[] = []
  const lost: string[] = []
  for (const path of carried) {
    const staged = `${tree}/${path}`
    const folder = staged.slice(0, staged.lastIndexOf('/'))
    const isTaken = await session.run(['test', '-e', staged, '-o', '-L', staged])
    const hasRoom = isTaken.code !== 0 && (await session.run(['mkdir', '-p', '--', folder]))
    if (hasRoom === false || hasRoom.code !== 0) {
      lost.push(path)
      continue
    }
    const parked = `${room}/${out.length}`
    out.push(moveOf(work, `${INSIDE}/${path}`, parked))
    back.push(moveOf(work, parked, `${INSIDE}/${path}`))
  }
  if (out.length > 0) await session.must(['mkdir', '-m', '700', '--', room])
  return { out, back, lost }
}

function moveOf(work: InsideWork, from: string, to: string): Move {
  return { from: nameOf(work, from), to: nameOf(work, to) }
}

function nameOf({ place }: InsideWork, path: string): string {
  return nameInside(place.volume.name, path.slice(INSIDE.length + 1))
}
