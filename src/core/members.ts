import { groupOf } from './group.ts'
import { hash32 } from './hash32.ts'
import type { Desired, DesiredJob, DesiredSource, Options } from './model.ts'

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

export interface KnownMember extends Member {
  /** It was not there when somebody looked last. */
  readonly isGone?: true
}

/** What declarations were found to stand for, by `memberKey`. */
export type KnownMembers = ReadonlyMap<string, readonly KnownMember[]>

/** Names a declaration among all. */
export function memberKey(job: DesiredJob, source: DesiredSource): string {
  return `${job.id}/${source.name}`
}

/** The config with each declaration replaced by what it is known to stand for. */
export function expand(desired: Desired, known: KnownMembers): Desired {
  if (known.size === 0) return desired
  return { ...desired, jobs: desired.jobs.map((job) => expandJob(job, known)) }
}

function expandJob(job: DesiredJob, known: KnownMembers): DesiredJob {
  if (!job.sources.some((source) => known.has(memberKey(job, source)))) return job
  const sources: DesiredSource[] = []
  // What stands for itself keeps its name, wherever it was declared.
  const single = job.sources.filter((source) => !known.has(memberKey(job, source)))
  const taken = new Set(single.map(({ name }) => name))
  for (const source of job.sources) {
    for (const member of membersOf(job, source, known)) {
      if (member === source) {
        sources.push(source)
        continue
      }
      let { name } = member
      while (taken.has(name)) name = `${source.name}.${name}`
      taken.add(name)
      sources.push({ ...member, name, group: groupOf({ ...job, job: job.id, source: name }) })
    }
  }
  return { ...job, sources }
}

function membersOf(
  job: DesiredJob,
  source: DesiredSource,
  known: KnownMembers,
): readonly DesiredSource[] {
  const members = known.get(memberKey(job, source))
  if (!members) return [source]
  return members.map(({ name, kind, options, isGone }) => ({
    ...source,
    kind,
    name: name === null ? source.name : nameOf(source, name),
    options: { ...source.options, ...options },
    ...(isGone ? { isGone } : {}),
  }))
}

function nameOf({ name, isNamed }: DesiredSource, member: string): string {
  return isNamed ? `${name}.${fitName(member)}` : fitName(member)
}

/** A database may be called anything, a source only what fits a key. */
export function fitName(member: string): string {
  const isFit = /^[A-Za-z0-9._-]+$/.test(member) && !/^\.{1,2}$/.test(member)
  return isFit ? member : `${member.replaceAll(/[^A-Za-z0-9_-]+/g, '-')}-${markOf(member)}`
}

/** Tells names apart that are the same once they fit. */
function markOf(text: string): string {
  return hash32(text).toString(16).padStart(8, '0')
}

/** What is known after another look: what was there before and is no more is gone, not forgotten. */
export function afterLook(
  before: readonly KnownMember[],
  found: readonly Member[],
): readonly KnownMember[] {
  const there = new Set(found.map(({ name }) => name))
  const gone = before.filter(({ name }) => !there.has(name))
  return [...found, ...gone.map((member) => ({ ...member, isGone: true as const }))]
}

/** Reads what was remembered; null when it is nothing that this version wrote. */
export function parseMembers(text: string): readonly KnownMember[] | null {
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) && value.every(isMember) ? value : null
  } catch {
    return null
  }
}

function isMember(value: unknown): value is KnownMember {
  if (typeof value !== 'object' || value === null) return false
  const { name, kind, options } = value as Record<string, unknown>
  const isName = name === null || typeof name === 'string'
  return isName && typeof kind === 'string' && typeof options === 'object' && options !== null
}

/** The sources of a job that are there to be backed up. */
export function livingSources({ sources }: DesiredJob): readonly DesiredSource[] {
  return sources.filter(({ isGone }) => !isGone)
}
