import type { CopyAction, DebrisAction, MissingAction } from './action.ts'
import { archiveOfManifest, archiveOfPin, manifestKey } from './archive-key.ts'
import type { Backup, Copy, TargetId } from './model.ts'
import type { Listing, UnfinishedObject } from './observed.ts'
import { byText, sortedBy } from './order.ts'
import { isOpen } from './plan-attempts.ts'
import type { Scene } from './scene.ts'

/** A target that was looked at. */
export type Listed = Extract<Listing, { readonly kind: 'listed' }>

/** Object stores and old file systems keep times in steps of up to this many milliseconds. */
const CLOCK_STEP = 2000

/** Complete copies whose archive or manifest is not on the target, where the target was looked at. */
export function planMissing(scene: Scene): readonly MissingAction[] {
  return onListed(scene, (target, listing) =>
    [...scene.doubtfulOn(target)]
      .filter((copy) => scene.covered(target, copy.key))
      .flatMap((copy): MissingAction[] => {
        const because = absence(scene, listing, copy)
        return because === null ? [] : [{ kind: 'missing', subject: target, copy, because }]
      })
      .sort((one, other) => byText(one.copy.key, other.copy.key)),
  )
}

function absence(scene: Scene, listing: Listed, copy: Copy): MissingAction['because'] | null {
  // A copy that was finished after the target was listed cannot be in the list.
  const attempt = scene.attempt(copy.backup)
  if (attempt !== null && isOpen(attempt.status)) return null
  if ((attempt?.finishedAt ?? copy.takenAt) >= listing.at) return null

  const listed = listing.objects.get(copy.key)
  if (listed === undefined) return { rule: 'archive-gone' }
  if (copy.bytes !== null && listed.bytes !== copy.bytes) {
    return { rule: 'size-differs', listed: listed.bytes, expected: copy.bytes }
  }
  return listing.objects.has(manifestKey(copy.key)) ? null : { rule: 'manifest-gone' }
}

/**
 * What attempts that are over left behind, and what lost its manifest where `copies` brings it anew.
 * Whatever our history does not prove ours is not named.
 */
export function planDebris(scene: Scene, copies: readonly CopyAction[]): readonly DebrisAction[] {
  const renewed = new Set(copies.map(({ target, from }) => `${target} ${from.backup}`))
  return onListed(scene, (target, listing) => [
    ...unfinished(scene, target, listing),
    ...headless(scene, { target, renewed }, listing),
  ])
}

function unfinished(scene: Scene, target: TargetId, listing: Listed): readonly DebrisAction[] {
  const order = (one: UnfinishedObject) => `${one.key} ${one.token ?? ''} ${one.upload ?? ''}`
  return sortedBy(listing.unfinished, order).flatMap((one) => {
    // No two attempts ever write under one key: whose it is, it tells as well as a token.
    const ofKey = () => scene.allCopiesOn(target).find(({ key }) => key === archiveOf(one.key))
    const attempt = scene.attempt(one.token ?? '') ?? scene.attempt(ofKey()?.backup ?? '')
    if (attempt === null || isOpen(attempt.status)) return []
    return ofKey()?.status === 'writing' && isBeingCopied(scene, attempt)
      ? []
      : [debris(target, attempt, { kind: 'unfinished', unfinished: one })]
  })
}

/** The archive that an object is, or belongs to. */
function archiveOf(key: string): string {
  return archiveOfManifest(key) ?? archiveOfPin(key) ?? key
}

/** A copy that is made later is nobody's leftover while another process may be at it. */
function isBeingCopied({ observed }: Scene, { status }: Backup): boolean {
  return status === 'success' && observed.underLease !== true
}

interface Corner {
  readonly target: TargetId
  /** Copies that are about to be made again. */
  readonly renewed: ReadonlySet<string>
}

/** Finished archives that never got their manifest, or lost it and stand in the way of a new copy. */
function headless(
  scene: Scene,
  { target, renewed }: Corner,
  listing: Listed,
): readonly DebrisAction[] {
  const copies = scene.allCopiesOn(target)
  const isTorn = ({ status, backup }: Copy) =>
    status === 'writing' ||
    status === 'failed' ||
    (status === 'missing' && renewed.has(`${target} ${backup}`))
  const torn = copies.filter(isTorn)
  if (torn.length === 0) return []
  const good = new Set(copies.filter((copy) => !isTorn(copy)).map((copy) => copy.key))

  return sortedBy(torn, (copy) => copy.key).flatMap((copy) => {
    const attempt = scene.attempt(copy.backup)
    const object = listing.objects.get(copy.key)
    if (attempt === null || isOpen(attempt.status) || object === undefined) return []
    if (copy.status === 'writing' && isBeingCopied(scene, attempt)) return []
    if (copy.retained !== null && copy.retained.until > scene.now) return []
    if (listing.objects.has(manifestKey(copy.key)) || good.has(copy.key)) return []
    // Older than the attempt: it stood there before, it is what the attempt stumbled over.
    if (object.modifiedAt + CLOCK_STEP < attempt.startedAt) return []
    return [debris(target, attempt, { kind: 'archive', key: copy.key, bytes: object.bytes })]
  })
}

function debris(target: TargetId, attempt: Backup, object: DebrisAction['object']): DebrisAction {
  const because = { rule: 'attempt-over', status: attempt.status } as const
  return { kind: 'debris', subject: target, backup: attempt.id, object, because }
}

/** What `find` finds on each declared target that was listed, by target. */
export function onListed<T>(
  scene: Scene,
  find: (target: TargetId, listing: Listed) => readonly T[],
): readonly T[] {
  return scene.targets.flatMap((target) => {
    const listing = scene.listing(target)
    return listing.kind === 'listed' ? find(target, listing) : []
  })
}
