import { ReferenceUnknown } from '../lib/errors.ts'
import { suggest } from '../lib/suggest.ts'
import type { DesiredJob, JobId } from './model.ts'
import type { History } from './observed.ts'
import { groupedBy, sortedBy } from './order.ts'

/** What `[org/]job[/source][@latest|@<id>|@<run name>|@<time>]` says. */
export interface Reference {
  readonly job: JobId
  /** Null: every source of the job. */
  readonly source: string | null
  readonly which: Which
}

/** `named` is an id, a run name or a time: only a history can tell which. */
export type Which = { readonly kind: 'latest' } | { readonly kind: 'named'; readonly text: string }

/** A job that a reference may name. */
export interface KnownJob {
  readonly id: JobId
  readonly sources: readonly string[]
}

/** The form of a reference, for hints. */
export const REFERENCE_FORM = '[org/]job[/source][@latest|@<id>|@<run name>|@<time>]'

/**
 * What can be named: the declared jobs and sources, and those that only the history still knows,
 * because an archive outlives its place in the file. In order of their ids.
 */
export function knownJobs(
  jobs: readonly Pick<DesiredJob, 'id' | 'sources'>[],
  history: Pick<History, 'backups'>,
): readonly KnownJob[] {
  const found = groupedBy(history.backups, ({ job }) => job)
  const declared = new Map(jobs.map(({ id, sources }) => [id, sources.map(({ name }) => name)]))
  const known = [...new Set([...declared.keys(), ...found.keys()])].map((id) => {
    const former = found.get(id)?.map(({ source }) => source) ?? []
    return { id, sources: [...new Set([...(declared.get(id) ?? []), ...former])] }
  })
  return sortedBy(known, ({ id }) => id)
}

/**
 * Reads a reference. An organization may be left out while the job's name is the only one; `system/`
 * stands for no organization. Throws `ReferenceUnknown` for what names nothing or several things.
 */
export function parseReference(text: string, known: readonly KnownJob[]): Reference {
  const at = text.indexOf('@')
  const subject = at === -1 ? text : text.slice(0, at)
  const which = at === -1 ? 'latest' : text.slice(at + 1)
  if (subject === '' || which === '') {
    throw new ReferenceUnknown(`"${text}" is no reference`, { hint: `write ${REFERENCE_FORM}` })
  }
  return {
    ...subjectOf(subject, known),
    which: which === 'latest' ? { kind: 'latest' } : { kind: 'named', text: which },
  }
}

type Subject = Pick<Reference, 'job' | 'source'>

function subjectOf(text: string, known: readonly KnownJob[]): Subject {
  const exact = known.flatMap((job) => readings(text, job, [job.id, fullName(job.id)]))
  const found =
    exact.length > 0 ? exact : known.flatMap((job) => readings(text, job, [bareName(job.id)]))
  const [only, ...others] = found
  if (only === undefined) throw unknownSubject(text, known)
  if (others.length > 0) {
    const names = found.map((one) => nameOf({ ...one, job: fullName(one.job) }))
    throw new ReferenceUnknown(`"${text}" may mean ${names.join(' or ')}`, {
      hint: 'write the one you mean',
    })
  }
  return only
}

/** What `text` may mean in `job`, when the job goes by one of `names`. */
function readings(text: string, job: KnownJob, names: readonly string[]): readonly Subject[] {
  const sources = [null, ...job.sources]
  return sources
    .filter((source) => names.some((name) => nameOf({ job: name, source }) === text))
    .map((source) => ({ job: job.id, source }))
}

/** A job, or a source of it, as a reference names it: `job`, `job/source`. */
export function nameOf({ job, source }: { job: string; source: string | null }): string {
  return source === null ? job : `${job}/${source}`
}

function fullName(job: string): string {
  return job.includes('/') ? job : `system/${job}`
}

function bareName(job: string): string {
  return job.slice(job.indexOf('/') + 1)
}

function unknownSubject(text: string, known: readonly KnownJob[]): ReferenceUnknown {
  const owners = known.flatMap((job) =>
    [job.id, fullName(job.id), bareName(job.id)]
      .filter((name) => text.startsWith(`${name}/`))
      .map((name) => ({ job, source: text.slice(name.length + 1) })),
  )
  // The longest name leaves the shortest source.
  const [owner] = owners.toSorted((a, b) => a.source.length - b.source.length)
  if (owner) {
    const { id, sources } = owner.job
    return new ReferenceUnknown(`job ${id} has no source "${owner.source}"`, {
      hint: hintOf(
        nameOf({ job: id, source: owner.source }),
        sources.map((source) => nameOf({ job: id, source })),
      ),
    })
  }
  const names = known.map(({ id }) => id)
  return new ReferenceUnknown(`no job is called "${text}"`, { hint: hintOf(text, names) })
}

/** Names shown in a hint; a longer list helps nobody. */
const SHOWN = 20

/** `did you mean …?`, or the names that there are. */
function hintOf(word: string, names: readonly string[]): string {
  const near = suggest(word, names)
  if (near !== null) return `did you mean ${near}?`
  if (names.length === 0) return 'there is none'
  const more = names.length > SHOWN ? `, and ${names.length - SHOWN} more` : ''
  return `there is ${names.slice(0, SHOWN).join(', ')}${more}`
}
