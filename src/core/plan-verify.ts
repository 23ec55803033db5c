import type { MissingAction, VerifyAction } from './action.ts'
import type { Copy, Instant, Millis } from './model.ts'
import { placesOf, type Scene } from './scene.ts'

/**
 * The newest complete copy of each group on each target, where none was verified for as long as the
 * job's objective allows. One that failed is not read again before its time, unless it is no longer
 * the newest.
 */
export function planVerify(
  scene: Scene,
  missing: readonly MissingAction[],
): readonly VerifyAction[] {
  const gone = new Set(missing.map((one) => one.copy))
  return scene.jobs.flatMap((job) => {
    const within = job.objectives.verifiedWithin
    if (within === null || !job.enabled) return []
    return [...placesOf(job)].flatMap(({ source, target }): VerifyAction[] => {
      if (scene.listing(target.target).kind === 'unreachable') return []
      if (scene.isBeingRestored(source.group)) return []
      const copies = scene
        .copiesOn(target.target, source.group)
        .filter((copy) => copy.status === 'complete' && !gone.has(copy))
      const copy = newestOf(copies)
      const because = copy && owed(copy, copies, within, scene.now)
      return because ? [{ kind: 'verify', subject: job.id, copy, because }] : []
    })
  })
}

function owed(
  newest: Copy,
  copies: readonly Copy[],
  within: Millis,
  now: Instant,
): VerifyAction['because'] | null {
  const { verify, verifiedAt } = newest
  // A time that lies ahead is the word of a clock that was wrong, and no proof of anything.
  const isRecent = (at: Instant | null) => at !== null && at <= now && now - at <= within
  if (verify === 'failed' && (verifiedAt === null || isRecent(verifiedAt))) return null

  let last: Instant | null = null
  for (const copy of copies) {
    const at = copy.verify === 'ok' ? copy.verifiedAt : null
    if (at !== null && (last === null || at > last)) last = at
  }
  if (last === null) return { rule: 'never-verified' }
  return isRecent(last) ? null : { rule: 'verified-long-ago', verifiedAt: last }
}

function newestOf(copies: readonly Copy[]): Copy | undefined {
  return copies.reduce<Copy | undefined>(
    (newest, one) => (newest && !isNewer(one, newest) ? newest : one),
    undefined,
  )
}

function isNewer(one: Copy, other: Copy): boolean {
  return one.takenAt !== other.takenAt ? one.takenAt > other.takenAt : one.key > other.key
}
