import { fileRealm } from '../platform/file-realm.ts'
import type { Move, Realm } from '../sources/source.ts'

/** How far a list of moves has come. */
export interface Progress {
  /** The first so many moves are made, none of the others. */
  readonly made: number
  /** Whether all that the other moves need is there. */
  readonly complete: boolean
}

/**
 * Tells by which paths exist how many of the moves are made. Null when something else stands in a
 * place of theirs, or the data that they were to replace is gone.
 *
 * A path may be left by one move and taken by a later one, as the place of the data itself: so not
 * each move is judged alone, but every count of moves made, by the paths that should then exist.
 */
export async function progressOf(
  moves: readonly Move[],
  realm: Pick<Realm, 'exists'> = fileRealm,
): Promise<Progress | null> {
  const expected = new Map<string, boolean>()
  const there = new Map<string, boolean>()
  for (const { from, to } of moves) {
    if (!expected.has(from)) expected.set(from, true)
    if (!expected.has(to)) expected.set(to, false)
  }
  for (const path of expected.keys()) there.set(path, await realm.exists(path))

  const places = new Set(moves.map(({ to }) => to))
  const strange = new Set<string>()
  const lost = new Set<string>()
  const review = (path: string) => {
    strange.delete(path)
    lost.delete(path)
    if (expected.get(path) === there.get(path)) return
    // A place that should be filled and is not cannot be mended by going back.
    const isLost = expected.get(path) === true && !places.has(path)
    ;(isLost ? lost : strange).add(path)
  }
  for (const path of expected.keys()) review(path)

  let best: Progress | null = null
  for (let made = 0; ; made++) {
    const complete = lost.size === 0
    if (strange.size === 0 && (complete || !best?.complete)) best = { made, complete }
    const move = moves[made]
    if (!move) return best
    expected.set(move.from, false)
    expected.set(move.to, true)
    review(move.from)
    review(move.to)
  }
}
