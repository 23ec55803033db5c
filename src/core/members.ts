import { groupOf } from './group.ts'
import { hash32 } from './hash32.ts'
import type { Desired, DesiredJob, DesiredSource, Options } from './model.ts'
import { withRolePasswords } from './role-passwords.ts'

/*
 * One declaration may stand for several sources: all databases of a server, whatever an app keeps.
 * What it stands for is found by looking, and remembered, so that a backup of what has gone can still
 * be named, and so that a server that does not answer is not a server without databases.
 */

/** One of the sources that a declaration stands for. Kept in the history: holds no secret. */
export interface Member {
  /** Null: it goes by the name of the declaration. */
  readonly name: string | null
  readonly kind: string
  /** Laid over the options of the declaration. */
  readonly options: Options
}

/** A member with the name that it was given as a source, which it keeps whoever comes beside it. */
export interface KnownMember extends Member {
  readonly source: string
  /** It was not there when somebody looked last. */
  readonly isGone?: true
}

/** What one declaration was found to stand for. */
export interface Stands {
  /** Kind of the declaration: one of another kind under the same name is another declaration. */
  readonly of: string
  /** Tells its options apart from others. */
  readonly by: string
  readonly members: readonly KnownMember[]
}

/** What declarations were found to stand for, by `memberKey`. */
export type KnownMembers = ReadonlyMap<string, Stands>

/** Names a declaration among all. */
export function memberKey(job: DesiredJob, source: DesiredSource): string {
  return `${job.id}/${source.name}`
}

/** What a declaration is known to stand for; null: for itself, as far as anybody knows. */
export function standsFor(
  job: DesiredJob,
  source: DesiredSource,
  known: KnownMembers,
): readonly KnownMember[] | null {
  const stands = known.get(memberKey(job, source))
  return stands?.of === source.kind ? stands.members : null
}

/** The config with each declaration replaced by what it is known to stand for. */
export function expand(desired: Desired, known: KnownMembers): Desired {
  if (known.size === 0) return desired
  return { ...desired, jobs: desired.jobs.map((job) => expandJob(job, known)) }
}

function expandJob(job: DesiredJob, known: KnownMembers): DesiredJob {
  if (job.sources.every((source) => standsFor(job, source, known) === null)) return job
  // What stands for itself has its name from the file, whatever was found beside it.
  const taken = new Set(ownNames(job, known))
  const sources = job.sources.flatMap((source): readonly DesiredSource[] => {
    const members = standsFor(job, source, known)
    if (members === null) return [source]
    return members.map(({ kind, options, isGone, ...member }) => {
      let name = member.source
      while (taken.has(name)) name = `${source.name}.${name}`
      taken.add(name)
      const group = groupOf({ ...job, job: job.id, source: name })
      const all = { ...source.options, ...options }
      const one = { ...source, kind, name, group, options: all, ...(isGone ? { isGone } : {}) }
      return withRolePasswords(one, job.targets)
    })
  })
  return { ...job, sources }
}

/** Names of the sources of a job that stand for themselves. */
function ownNames(job: DesiredJob, known: KnownMembers): readonly string[] {
  return job.sources.flatMap((source) =>
    standsFor(job, source, known) === null ? [source.name] : [],
  )
}

/** What a look at declarations of one job told: an empty list tells nothing, null that it is itself. */
export type Found = ReadonlyMap<DesiredSource, readonly Member[] | null>

/**
 * What the declarations of a job are known to stand for after a look. What was there before and is no
 * more is gone, not forgotten; each keeps the name that it was given first.
 */
export function afterLook(job: DesiredJob, found: Found, before: KnownMembers): KnownMembers {
  const after = new Map<string, Stands>()
  for (const source of job.sources) {
    const stands = before.get(memberKey(job, source))
    if (stands?.of !== source.kind) continue
    // A volume whose server is gone for the moment is no other volume: only another word of the file
    // makes a declaration stand for itself again.
    const isItself = found.get(source) === null && stands.by !== optionsMark(source)
    if (!isItself) after.set(memberKey(job, source), stands)
  }
  for (const [source, members] of found) {
    if (members === null || members.length === 0) continue
    const mine = standsFor(job, source, after) ?? []
    const there = new Set(members.map(({ name }) => name))
    const gone = mine.filter(({ name }) => !there.has(name))
    const known: KnownMember[] = gone.map((one) => ({ ...one, isGone: true }))
    after.set(memberKey(job, source), { of: source.kind, by: optionsMark(source), members: mine })
    const taken = takenIn(job, after, found)
    for (const member of members) {
      const had = mine.find(({ name }) => name === member.name)?.source
      const name = had ?? freeName(source, member, taken)
      taken.add(name)
      known.push({ ...member, source: name })
    }
    after.set(memberKey(job, source), {
      of: source.kind,
      by: optionsMark(source),
      members: inOrder(known),
    })
  }
  return after
}

/** Every name in the job that is somebody's: of the file, or given to a member that is or was there. */
function takenIn(job: DesiredJob, known: KnownMembers, found: Found): Set<string> {
  return new Set(
    job.sources.flatMap((source) => {
      const members = standsFor(job, source, known)
      if (members !== null) return members.map((one) => one.source)
      return (found.get(source)?.length ?? 0) > 0 ? [] : [source.name]
    }),
  )
}

function freeName(source: DesiredSource, { name }: Member, taken: ReadonlySet<string>): string {
  let free = name === null ? source.name : nameOf(source, name)
  while (taken.has(free)) free = `${source.name}.${free}`
  return free
}

function nameOf({ name, isNamed }: DesiredSource, member: string): string {
  return isNamed ? `${name}.${fitName(member)}` : fitName(member)
}

/** A database may be called anything, a source only what fits a key. */
export function fitName(member: string): string {
  const isFit = /^[A-Za-z0-9._-]+$/.test(member) && !/^\.{1,2}$/.test(member)
  return isFit ? member : `${member.replaceAll(/[^A-Za-z0-9_-]+/g, '-')}-${markOf(member)}`
}

/** Secrets have no say in it. */
function optionsMark({ options }: DesiredSource): string {
  return markOf(JSON.stringify(options))
}

/** Tells names apart that are the same once they fit. */
function markOf(text: string): string {
  return hash32(text).toString(16).padStart(8, '0')
}

/** What is there first, in the order told; then what is gone. */
function inOrder(members: readonly KnownMember[]): readonly KnownMember[] {
  return [...members.filter(({ isGone }) => !isGone), ...members.filter(({ isGone }) => isGone)]
}

/** Reads what was remembered; null when it is nothing that this version wrote. */
export function parseStands(text: string): Stands | null {
  try {
    const value: unknown = JSON.parse(text)
    return isStands(value) ? value : null
  } catch {
    return null
  }
}

function isStands(value: unknown): value is Stands {
  if (typeof value !== 'object' || value === null) return false
  const { of, by, members } = value as Record<string, unknown>
  const isText = typeof of === 'string' && typeof by === 'string'
  return isText && Array.isArray(members) && members.every(isMember)
}

function isMember(value: unknown): value is KnownMember {
  if (typeof value !== 'object' || value === null) return false
  const { name, kind, options, source } = value as Record<string, unknown>
  const isName = name === null || typeof name === 'string'
  const isText = typeof kind === 'string' && typeof source === 'string'
  return isName && isText && typeof options === 'object' && options !== null
}

/** The sources of a job that are there to be backed up. */
export function livingSources({ sources }: DesiredJob): readonly DesiredSource[] {
  return sources.filter(({ isGone }) => !isGone)
}
