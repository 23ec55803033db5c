import { formatDuration } from '../lib/time.ts'
import { manifestKey } from './archive-key.ts'
import type { Copy, Desired, Instant, Millis, TargetId } from './model.ts'
import type { Listing, Observed, Warning } from './observed.ts'

/** How far our clock is ahead of another one; negative when behind. */
export interface ClockSkew {
  readonly by: Millis
  /** It may be so much more or less. */
  readonly error: Millis
}

/** A clock that differs from ours by more than deletions can bear. */
export interface ClockFault {
  /** `the database`, or the name of a target. */
  readonly place: string
  readonly by: Millis
}

/** Of the database, which is asked every few seconds. */
const DATABASE_LIMIT = 60_000
/** Of a target, whose times tell also how long things took. */
const TARGET_LIMIT = 5 * 60_000

/**
 * The clocks that contradict ours. Ages decide what is deleted, so that a clock that is ahead deletes
 * too much: a target that wrote our newest archive long before we say it was finished tells of one.
 */
export function clockFaults(
  { targets }: Pick<Desired, 'targets'>,
  { clock, listings, history }: Observed,
  now: Instant,
): readonly ClockFault[] {
  const faults: ClockFault[] = []
  if (clock && Math.abs(clock.by) - clock.error > DATABASE_LIMIT) {
    faults.push({ place: 'the database', by: clock.by })
  }
  const newest = newestByTarget(history.copies, now)
  for (const { id, kind } of targets) {
    // A folder of this machine is written by this machine's clock.
    const listing = kind === 'local' ? undefined : listings.get(id)
    const by = listing ? skewOn(listing, newest.get(id)) : null
    if (by !== null) faults.push({ place: id, by })
  }
  return faults
}

function skewOn(listing: Listing, newest: Copy | undefined): Millis | null {
  if (listing.kind !== 'listed') return null
  const written = newest && listing.objects.get(manifestKey(newest.key))
  if (newest && written && newest.takenAt - written.modifiedAt > TARGET_LIMIT) {
    return (newest.takenAt - written.modifiedAt) as Millis
  }
  let latest = Number.NEGATIVE_INFINITY
  for (const { modifiedAt } of listing.objects.values())
    if (modifiedAt > latest) latest = modifiedAt
  return latest - listing.at > TARGET_LIMIT ? ((listing.at - latest) as Millis) : null
}

/** What lies in the future is left out of every decision already. */
function newestByTarget(copies: readonly Copy[], now: Instant): ReadonlyMap<TargetId, Copy> {
  const newest = new Map<TargetId, Copy>()
  for (const copy of copies) {
    if (copy.status !== 'complete' || copy.takenAt > now) continue
    const known = newest.get(copy.target)
    if (!known || copy.takenAt > known.takenAt) newest.set(copy.target, copy)
  }
  return newest
}

/** What a person should know before trusting any age. */
export function clockWarnings(
  desired: Pick<Desired, 'targets'>,
  observed: Observed,
  now: Instant,
): readonly Warning[] {
  return clockFaults(desired, observed, now).map(({ place, by }) => ({
    rule: 'clock-skew',
    subject: place,
    message: `the clock of this machine is ${formatDuration(Math.abs(by) as Millis)} ${by > 0 ? 'ahead of' : 'behind'} that of ${place}: nothing is deleted meanwhile`,
    hint: 'set the clocks by NTP: timedatectl status',
  }))
}
