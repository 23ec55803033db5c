import {
  afterLook,
  type KnownMembers,
  type Member,
  memberKey,
  parseStands,
  type Stands,
  standsFor,
} from '../core/members.ts'
import type { Desired, DesiredJob, DesiredSource } from '../core/model.ts'
import { mayRun } from '../core/placement.ts'
import { forEachConcurrent } from '../lib/concurrent.ts'
import { messageOf, reportOf, SourceFailed } from '../lib/errors.ts'
import { withTimeLimit } from '../lib/limits.ts'
import type { Store } from '../state/store.ts'
import { LOOK_LIMIT, type LookBounds } from './surroundings.ts'
import { sectionOf, type World } from './world.ts'

/** Servers that are asked at once. */
const ASKED_AT_ONCE = 4

/** What declarations were found to stand for when somebody looked last. */
export async function knownMembers(store: Store): Promise<KnownMembers> {
  const facts = await store.facts(PREFIX)
  return new Map(
    [...facts].flatMap(([key, text]) => {
      const stands = parseStands(text)
      return stands === null ? [] : [[key.slice(PREFIX.length), stands] as const]
    }),
  )
}

const PREFIX = 'members:'

/**
 * Asks what the sources of `declared` stand for. One that cannot be asked is left at what it was, and
 * that is told once; a backup of it fails by itself and says why.
 */
export async function lookForMembers(
  declared: Desired,
  world: World,
  bounds: LookBounds,
): Promise<LookedAt> {
  const before = await knownMembers(world.store)
  const self = world.fleet?.self()
  // What lies on another host is told of by whoever runs there.
  const ours = declared.jobs.filter((job) => job.enabled && (!self || mayRun(job, self)))
  const found = new Map(ours.map((job) => [job, new Map<DesiredSource, Answer>()]))
  const places = ours.flatMap((job) => job.sources.map((source) => ({ job, source })))
  await forEachConcurrent(places, ASKED_AT_ONCE, async ({ job, source }) => {
    const isKnown = standsFor(job, source, before) !== null
    const answer = await askFor({ job, source, isKnown }, world, bounds)
    if (answer !== 'unknown') found.get(job)?.set(source, answer)
  })
  const known = new Map(before)
  for (const [job, answers] of found) {
    for (const source of job.sources) known.delete(memberKey(job, source))
    for (const [key, stands] of afterLook(job, answers, before)) known.set(key, stands)
  }
  const own = ours.flatMap((job) => job.sources.map((source) => memberKey(job, source)))
  const told = own.filter((key) => textOf(known.get(key)) !== textOf(before.get(key)))
  return { known, told: new Set(told) }
}

function textOf(stands: Stands | undefined): string | null {
  return stands === undefined ? null : JSON.stringify(stands)
}

/** What a look found. */
export interface LookedAt {
  readonly known: KnownMembers
  /** Keys of what this look found otherwise than it was known before: of the rest it has nothing to tell. */
  readonly told: ReadonlySet<string>
}

/**
 * Keeps what a look found for the next start, and for other instances; tells what came and went. What
 * others told meanwhile stays.
 */
export async function rememberMembers({ known, told }: LookedAt, world: World): Promise<void> {
  const { store } = world
  const before = await store.facts(PREFIX)
  for (const key of told) {
    const stands = known.get(key)
    const text = textOf(stands)
    const had = before.get(PREFIX + key)
    if ((had ?? null) === text) continue
    await store.saveFact(PREFIX + key, text)
    if (stands) tellChange(key, stands, had === undefined ? null : parseStands(had), world)
  }
}

function tellChange(key: string, now: Stands, before: Stands | null, { report }: World): void {
  const alive = (one: Stands | null) =>
    (one?.members ?? []).filter(({ isGone }) => !isGone).map(({ source }) => source)
  const [are, were] = [new Set(alive(now)), new Set(alive(before))]
  const gone = [...were].filter((name) => !are.has(name))
  const come = [...are].filter((name) => !were.has(name))
  const detail = { come, gone }
  if (gone.length > 0) {
    const message = `${gone.join(', ')} of ${key} is not there any more: nothing of it is backed up, its archives stay`
    report({ event: 'drift.found', level: 'warn', message, detail })
  }
  if (come.length > 0) {
    const message = `${key} stands for ${come.join(', ')} too, from now on`
    report({ event: 'drift.found', level: 'info', message, detail })
  }
}

interface Place {
  readonly job: DesiredJob
  readonly source: DesiredSource
  /** Whether it is known what it stood for. */
  readonly isKnown: boolean
}

/** Null: it stands for itself. `unknown`: it could not be asked, or has nothing to tell. */
type Answer = readonly Member[] | null

async function askFor(
  { job, source, isKnown }: Place,
  world: World,
  { signal, limit = LOOK_LIMIT }: LookBounds,
): Promise<Answer | 'unknown'> {
  const about = `${job.id}/${source.name}`
  try {
    const limited = withTimeLimit(signal, limit, `the look at what ${about} stands for`)
    const found = await membersOf({ ...source, job, isKnown, depth: DEEPEST }, world, limited)
    if (found?.length === 0) throw new SourceFailed(`there is nothing that ${about} stands for`)
    world.news(`members ${about}`, '')
    return found
  } catch (error) {
    signal.throwIfAborted()
    if (world.news(`members ${about}`, messageOf(error))) {
      world.report({
        event: 'pass.failed',
        level: 'warn',
        message: `cannot tell what ${about} stands for, so it stands for what it did: ${messageOf(error)}`,
        job: job.id,
        source: source.name,
        error: reportOf(error),
      })
    }
    return 'unknown'
  }
}

/** An app stands for its volumes, a volume for a server's data, and a server for its databases. */
const DEEPEST = 3

interface Declared extends Pick<DesiredSource, 'kind' | 'name' | 'options'> {
  readonly job: DesiredJob
  readonly isKnown: boolean
  readonly depth: number
}

/** What a declaration stands for, and what that stands for in its turn; null: for itself. */
async function membersOf(
  { job, isKnown, depth, ...source }: Declared,
  world: World,
  signal: AbortSignal,
): Promise<readonly Member[] | null> {
  const kind = await world.plugins.sources.get(source.kind)?.()
  const at = sectionOf(job, source, world.desired)
  const found = depth > 0 ? await kind?.members?.(at, signal) : null
  if (!found) return null
  const inner = found.map(async (member): Promise<readonly Member[]> => {
    const options = { ...source.options, ...member.options }
    const one = { ...source, kind: member.kind, options, job, isKnown, depth: depth - 1 }
    const its = await membersOf(one, world, signal).catch((error: unknown) => {
      // A server that was never asked yet is one member, whose backup says why it fails.
      if (isKnown) throw error
      return null
    })
    return its === null || its.length === 0 ? [member] : its.map((each) => within(member, each))
  })
  return (await Promise.all(inner)).flat()
}

function within(outer: Member, inner: Member): Member {
  return {
    ...inner,
    name:
      outer.name === null || inner.name === null
        ? (inner.name ?? outer.name)
        : `${outer.name}.${inner.name}`,
    options: { ...outer.options, ...inner.options },
  }
}
