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

/** Ids shown in a hint; a longer list helps nobody. */
const SHOWN = 20

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
  const found = which.kind === 'latest' ? all.filter(isSound) : named(all, which.text)
  if (found.length === 0) throw nothingFound(history, reference, all)
  return newestOfEachSource(found)
}

/** The one backup that `reference` means. Throws `ReferenceUnknown` for none, or more than one source. */
export function chooseBackup(
  history: Pick<History, 'backups' | 'copies'>,
  reference: Reference,
): Choice {
  const found = chooseBackups(history, reference)
  const [only] = found
  if (only !== undefined && found.length === 1) return only
  const names = found.map(({ backup }) => nameOf(backup))
  throw new ReferenceUnknown(`${reference.job} has more than one source`, {
    hint: `name one of them: ${names.join(', ')}`,
  })
}

/** Every backup of the subject that could be restored. */
function choicesOf(
  { backups, copies }: Pick<History, 'backups' | 'copies'>,
  reference: Reference,
): readonly Choice[] {
  const candidates = backups.filter((one) => isOf(one, reference) && one.status === 'success')
  const ids = new Set(candidates.map(({ id }) => id))
  const complete = groupedBy(
    copies.filter((copy) => ids.has(copy.backup) && copy.status === 'complete'),
    (copy) => copy.backup,
  )
  return candidates.flatMap((backup) => {
    const [best, ...others] = (complete.get(backup.id) ?? []).toSorted(byTrust)
    return best ? [{ backup, copies: [best, ...others], takenAt: best.takenAt }] : []
  })
}

function isOf(backup: Backup, { job, source }: Reference): boolean {
  return backup.job === job && (source === null || backup.source === source)
}

const TRUST = { ok: 0, never: 1, failed: 2 } as const satisfies Record<Copy['verify'], number>

function byTrust(a: Copy, b: Copy): number {
  return TRUST[a.verify] - TRUST[b.verify] || byText(a.target, b.target)
}

function isSound({ copies }: Choice): boolean {
  return copies.some(({ verify }) => verify !== 'failed')
}

function isNamed({ id, run, runName }: Backup, text: string): boolean {
  return id === text || run === text || runName === text
}

function named(all: readonly Choice[], text: string): readonly Choice[] {
  const called = all.filter(({ backup }) => isNamed(backup, text))
  if (called.length > 0) return ofNewestRun(called)

  const at = parseInstant(text)
  if (at === null) return byPrefix(all, text)
  const keyed = all.filter(({ backup }) => keyTimestamp(backup.startedAt) === text)
  return keyed.length > 0 ? keyed : all.filter((one) => isSound(one) && one.takenAt <= at)
}

/** A run name may be used again; sources of two runs are not mixed. */
function ofNewestRun(choices: readonly Choice[]): readonly Choice[] {
  const [newest] = choices.toSorted(newestFirst)
  return choices.filter(({ backup }) => backup.run === newest?.backup.run)
}

function byPrefix(all: readonly Choice[], text: string): readonly Choice[] {
  if (text.length < SHORTEST_PREFIX) return []
  const found = all.filter(({ backup }) => backup.id.startsWith(text))
  if (found.length <= 1) return found
  const names = found.map(({ backup }) => `${nameOf(backup)}@${backup.id}`)
  throw new ReferenceUnknown(`"${text}" begins the ids of ${found.length} backups`, {
    hint: `write more of it: ${names.toSorted(byText).slice(0, SHOWN).join(', ')}`,
  })
}

function newestFirst(a: Choice, b: Choice): number {
  return b.takenAt - a.takenAt || byText(b.backup.id, a.backup.id)
}

function newestOfEachSource(choices: readonly Choice[]): readonly Choice[] {
  const newest = new Map<string, Choice>()
  for (const choice of choices.toSorted(newestFirst)) {
    const { source } = choice.backup
    if (!newest.has(source)) newest.set(source, choice)
  }
  return [...newest.values()].toSorted((a, b) => byText(a.backup.source, b.backup.source))
}

/** Says why nothing was found; `all` could have been chosen. */
function nothingFound(
  { backups }: Pick<History, 'backups'>,
  reference: Reference,
  all: readonly Choice[],
): ReferenceUnknown {
  const subject = nameOf(reference)
  const list = 'see what there is with: holdfast backup list'
  if (reference.which.kind === 'latest') {
    return all.length === 0
      ? new ReferenceUnknown(`${subject} has no complete backup`, {
          hint: `make one with: holdfast backup create ${subject}`,
        })
      : new ReferenceUnknown(`every backup of ${subject} failed its verify`, {
          hint: 'read them again with: holdfast backup verify --all, or name one: holdfast backup list',
        })
  }

  const { text } = reference.which
  const unfit = backups.find((one) => isOf(one, reference) && isNamed(one, text))
  if (unfit) {
    const why = unfit.status === 'success' ? 'has no complete copy' : `is ${unfit.status}`
    return new ReferenceUnknown(`backup ${text} of ${subject} ${why}`, { hint: list })
  }
  if (parseInstant(text) !== null) {
    const oldest = all.toSorted(newestFirst).at(-1)
    return new ReferenceUnknown(`${subject} has no complete backup as old as ${text}`, {
      hint: oldest ? `the oldest was taken at ${iso(oldest.takenAt)}` : list,
    })
  }
  const names = all.flatMap(({ backup }) => [backup.id, backup.runName ?? backup.id])
  const near = suggest(text, names)
  return new ReferenceUnknown(`no backup of ${subject} is called "${text}"`, {
    hint: near === null ? list : `did you mean ${subject}@${near}?`,
  })
}
