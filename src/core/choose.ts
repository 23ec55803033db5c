import { ReferenceUnknown } from '../lib/errors.ts'
import { suggest } from '../lib/suggest.ts'
import { iso, keyTimestamp, parseInstant } from '../lib/time.ts'
import type { Backup, Copy, Instant } from './model.ts'
import type { History } from './observed.ts'
import { byText, groupedBy } from './order.ts'
import { nameOf, type Reference } from './reference.ts'

/** A successful backup and its complete copies, at least one, the most trustworthy first. */
export interface Choice {
  readonly backup: Backup
  readonly copies: readonly Copy[]
  readonly takenAt: Instant
}

/** Fewer characters of an id name nothing. */
const SHORTEST_PREFIX = 6

/**
 * The backup that `reference` means for each source, in order of the sources' names; `history` has
 * to be full. `latest` and a time (the newest taken at or before it) leave out backups of which
 * every copy failed its verify; an id (of a backup or a run), the first 6 or more characters of a
 * backup's id, the timestamp of an archive's key, and the name of a run (its newest) do not.
 *
 * Throws `ReferenceUnknown` when there is none.
 */
export function chooseBackups(
  history: Pick<History, 'backups' | 'copies'>,
  reference: Reference,
): readonly Choice[] {
  const all = choicesOf(history, reference)
  const { which } = reference
  const found = which.kind === 'latest' ? all.filter(isSound) : named(all, which.text, reference)
  if (found.length === 0) throw nothingFound(history, reference, all)
  return newestOfEachSource(found)
}

/** The one backup that `reference` means. Throws `ReferenceUnknown` for none, or more than one source. */
export function chooseBackup(
  history: Pick<History, 'backups' | 'copies'>,
  reference: Reference,
): Choice {
  const [only, ...others] = chooseBackups(history, reference)
  if (only !== undefined && others.length === 0) return only
  const names = [only, ...others].map((one) => nameOf({ ...reference, source: one?.backup.source ?? null }))
  throw new ReferenceUnknown(`${reference.job} has more than one source`, {
    hint: `name one of them: ${names.join(', ')}`,
  })
}
