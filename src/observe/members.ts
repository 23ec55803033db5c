import {
  afterLook,
  expand,
  type KnownMembers,
  type Member,
  memberKey,
  parseMembers,
} from '../core/members.ts'
import type { Desired, DesiredJob, DesiredSource } from '../core/model.ts'
import { mayRun } from '../core/placement.ts'
import { section } from '../core/section.ts'
import { forEachConcurrent } from '../lib/concurrent.ts'
import { messageOf, reportOf } from '../lib/errors.ts'
import { withTimeLimit } from '../lib/limits.ts'
import type { Store } from '../state/store.ts'
import type { Plugins, World } from './world.ts'

/** A server that does not tell what it has within this is left at what it had, in milliseconds. */
const LOOK_LIMIT = 20_000
/** Servers that are asked at once. */
const ASKED_AT_ONCE = 4

/** How long a look may take. */
export interface LookBounds {
  readonly signal: AbortSignal
  /** For each server, in milliseconds. */
  readonly limit?: number
}

/** What a look at declarations came to. */
export interface MembersSeen {
  readonly known: KnownMembers
  /** Whether that is anything else than was known before. */
  readonly changed: boolean
}

/** What declarations were found to stand for when somebody looked last. */
export async function knownMembers(store: Store): Promise<KnownMembers> {
  const facts = await store.facts(PREFIX)
  return new Map(
    [...facts].flatMap(([key, text]) => {
      const members = parseMembers(text)
      return members === null ? [] : [[key.slice(PREFIX.length), members] as const]
    }),
  )
}

const PREFIX = 'members:'

/** The config as it was found to be last, without another look. */
export async function expanded(desired: Desired, store: Store): Promise<Desired> {
  return expand(desired, await knownMembers(store))
}

/**
 * Asks what the sources of `declared` stand for. One that cannot be asked is left at what it was, and
 * that is told once; a backup of it fails by itself and says why.
 */
export async function lookForMembers(
  declared: Desired,
  world: World,
  bounds: LookBounds,
): Promise<MembersSeen> {
  const before = await knownMembers(world.store)
  const known = new Map(before)
  const self = world.fleet?.self()
  // What lies on another host is told of by whoever runs there.
  const ours = declared.jobs.filter((job) => job.enabled && (!self || mayRun(job, self)))
  const places = ours.flatMap((job) => job.sources.map((source) => ({ job, source })))
  let changed = false
  await forEachConcurrent(places, ASKED_AT_ONCE, async ({ job, source }) => {
    const key = memberKey(job, source)
    const found = await askFor({ job, source }, world, bounds)
    if (found === null) return
    const after = afterLook(before.get(key) ?? [], found)
    if (JSON.stringify(after) === JSON.stringify(before.get(key))) return
    known.set(key, after)
    changed = true
  })
  return { known, changed }
}

/** Keeps what a look found for the next start, and for other instances. */
export async function rememberMembers(known: KnownMembers, store: Store): Promise<void> {
  for (const [key, members] of known) await store.saveFact(PREFIX + key, JSON.stringify(members))
}

interface Place {
  readonly job: DesiredJob
  readonly source: DesiredSource
}

/** Null: it stands for itself, or could not be asked. */
async function askFor(
  { job, source }: Place,
  world: World,
  { signal, limit = LOOK_LIMIT }: LookBounds,
): Promise<readonly Member[] | null> {
  const kind = await kindOf(source.kind, world.plugins)
  if (!kind?.members) return null
  const about = `${job.id}/${source.name}`
  try {
    const at = section(`jobs.${job.name}.sources.${source.name}`, source.options)
    const limited = withTimeLimit(signal, limit, `the look at what ${about} stands for`)
    const found = await kind.members(at, limited)
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
    return null
  }
}

async function kindOf(kind: string, { sources }: Plugins) {
  return await sources.get(kind)?.()
}
