import { hostname } from 'node:os'
import { JOB_MAKING } from '../config/auto-template.ts'
import { autoJobs } from '../core/auto-jobs.ts'
import { type AutoMade, parseAutoMade } from '../core/auto-made.ts'
import { expand, type KnownMembers } from '../core/members.ts'
import type { Desired } from '../core/model.ts'
import { parseSurroundings, type Surroundings } from '../core/surroundings.ts'
import { holdPatiently } from '../leases/lease.ts'
import { LeaseBusy } from '../lib/errors.ts'
import { knownMembers, type LookedAt, lookForMembers, rememberMembers } from '../observe/members.ts'
import { type LookBounds, lookAtSurroundings } from '../observe/surroundings.ts'
import type { Seen, World } from '../observe/world.ts'
import type { Store } from '../state/store.ts'

/*
 * What the file declares is not all that there is to do: apps get jobs by themselves, and one source
 * may stand for many. What is made of it goes by what somebody saw, and all who share a state go by
 * the same, for each instance keeps there what it sees.
 */

/** The config with all that it stands for. */
export interface Expanded {
  readonly desired: Desired
  readonly seen: Seen
}

/** Another instance is done with the same in less, in milliseconds. */
const PATIENCE = 10_000
/** What is seen is kept anew after so long although nothing of it has changed, in milliseconds. */
const KEPT_FOR = 60 * 60_000

/** By what was seen last, without another look. */
export async function expandKnown(declared: Desired, world: World): Promise<Expanded> {
  const { store } = world
  const surroundings = [...(await surroundingsIn(store)).values()]
  const made = await autoMadeIn(store)
  return expandBy({ declared, surroundings, made, members: await knownMembers(store) }, world)
}

/** By what is seen now; nothing of it is kept. */
export async function expandFresh(
  declared: Desired,
  world: World,
  bounds: LookBounds,
): Promise<Expanded> {
  return (await lookAfresh(declared, world, bounds)).expanded
}

async function lookAfresh(
  declared: Desired,
  world: World,
  bounds: LookBounds,
): Promise<{ readonly expanded: Expanded; readonly looked: LookedAt }> {
  const { store } = world
  const around = new Map(await surroundingsIn(store))
  if (isResident(world)) {
    const looker = { ...selfOf(world), now: world.now() }
    const own = await lookAtSurroundings(declared.docker, looker, bounds)
    around.set(looker.instance, own)
  }
  const surroundings = [...around.values()].filter(({ docker }) => docker !== null)
  const made = await autoMadeIn(store)
  const before = { declared, surroundings, made, members: new Map() }
  const jobs = expandBy(before, world).desired
  const looked = await lookForMembers(jobs, world, bounds)
  return { expanded: expandBy({ ...before, members: looked.known }, world), looked }
}

/** By what is seen now, which is kept for the next start and for other instances. */
export async function expandAndKeep(
  declared: Desired,
  world: World,
  bounds: LookBounds,
): Promise<Expanded> {
  const { expanded, looked } = await lookAfresh(declared, world, bounds)
  await rememberMembers(looked, world)
  await keep(declared, expanded, world, bounds.signal)
  return expanded
}

interface Parts {
  readonly declared: Desired
  readonly surroundings: readonly Surroundings[]
  readonly made: readonly AutoMade[]
  readonly members: KnownMembers
}

function expandBy({ declared, surroundings, made, members }: Parts, { now }: World): Expanded {
  const auto = autoJobs({ desired: declared, surroundings, made, now: now() }, JOB_MAKING)
  const all = { ...declared, jobs: [...declared.jobs, ...auto.jobs] }
  return {
    desired: expand(all, members),
    seen: { surroundings, autoMade: auto.made, members },
  }
}

async function keep(
  declared: Desired,
  { seen }: Expanded,
  world: World,
  signal: AbortSignal,
): Promise<void> {
  const { store } = world
  const { instance } = selfOf(world)
  const own = seen.surroundings.find((one) => one.instance === instance) ?? null
  const kept = (await surroundingsIn(store)).get(instance) ?? null
  if (isResident(world) && isNews(own, kept))
    await store.saveFact(AROUND + instance, own && JSON.stringify(own))
  if (same(seen.autoMade, await autoMadeIn(store))) return
  const asked = { leases: world.leases, patience: PATIENCE }
  const turn = await holdPatiently(asked, 'deployment', signal, async () => {
    // Another instance may have made some since.
    const now = await expandKnown(declared, world)
    await store.saveFact(MADE, JSON.stringify(now.seen.autoMade))
  })
  if (turn.kind === 'busy') throw new LeaseBusy('the deployment', turn.holder)
}

function isNews(own: Surroundings | null, kept: Surroundings | null): boolean {
  if (own === null || kept === null) return own !== kept
  const { at, ...rest } = own
  const { at: keptAt, ...keptRest } = kept
  return !same(rest, keptRest) || Math.abs(at - keptAt) > KEPT_FOR
}

function same(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}

const AROUND = 'surroundings:'
const MADE = 'auto.made'

async function surroundingsIn(store: Store): Promise<ReadonlyMap<string, Surroundings>> {
  const facts = await store.facts(AROUND)
  return new Map(
    [...facts.values()].flatMap((text) => {
      const found = parseSurroundings(text)
      return found === null ? [] : [[found.instance, found] as const]
    }),
  )
}

async function autoMadeIn(store: Store): Promise<readonly AutoMade[]> {
  const text = await store.fact(MADE)
  return text === null ? [] : parseAutoMade(text)
}

/** Among several, a command may run anywhere: what it sees is not what backups are made of. */
function isResident({ fleet }: World): boolean {
  return fleet === null || fleet.self().kind === 'daemon'
}

/** As others know it. */
function selfOf({ fleet, desired }: World): Pick<Surroundings, 'instance' | 'labels'> {
  const self = fleet?.self()
  const { name, labels } = desired.identity
  return self
    ? { instance: self.name, labels: self.labels }
    : { instance: name ?? hostname(), labels }
}
