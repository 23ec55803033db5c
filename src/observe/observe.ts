import { formerGroup, listPrefixes } from '../core/archive-key.ts'
import type { InstanceHolding } from '../core/fleet.ts'
import type { Copy, GroupId, InstanceId, JobId, TargetId } from '../core/model.ts'
import type { History, Listing, Observed, RestoreRequest } from '../core/observed.ts'
import { groupedBy } from '../core/order.ts'
import { messageOf } from '../lib/errors.ts'
import { observeTarget } from './listing.ts'
import { observePostures } from './postures.ts'
import { observeWarnings } from './warnings.ts'
import { openTarget, type World } from './world.ts'

/** How far to look. */
export interface Scope {
  /** Only these jobs, or null for all. */
  readonly jobs: readonly JobId[] | null
  /** `history`: nothing but the state. `groups`: also what stands under the jobs' own prefixes. `all`: whole targets. */
  readonly depth: 'history' | 'groups' | 'all'
  readonly pruneConfirmed: boolean
  readonly restoreRequested: RestoreRequest | null
  /** True when the jobs' lease is ours: whatever of them is still open has lost its owner, though it may live. */
  readonly underLease?: boolean
}

/** Looks at the world. What could not be looked at is `unreachable`, what was not is `unlisted`. */
export async function observe(scope: Scope, world: World, signal: AbortSignal): Promise<Observed> {
  const { store } = world
  const depth = scope.depth === 'history' ? 'recent' : 'full'
  const history = await store.history({
    depth,
    jobs: scope.jobs,
    groups: groupsOf(scope.jobs, world),
  })
  const applied = await store.applied()
  const pauses = await store.pauses()
  const [listings, postures] = await Promise.all([
    observeTargets(scope, history, world, signal),
    scope.depth === 'all' ? observePostures(world, signal) : new Map(),
  ])
  return {
    applied,
    history,
    listings,
    postures,
    underLease: scope.underLease === true,
    alive: scope.underLease ? new Set() : await observeLife(history, world),
    clock: world.fleet?.clock() ?? null,
    others: scope.depth === 'all' ? await observeOthers(world) : null,
    pauses,
    ...(scope.depth === 'all' ? seenOf(world) : {}),
    pruneConfirmed: scope.pruneConfirmed,
    restoreRequested: scope.restoreRequested,
    warnings: scope.depth === 'all' ? await observeWarnings(world, history) : [],
  }
}

function seenOf({ seen }: World): Pick<Observed, 'surroundings' | 'autoMade'> {
  return { surroundings: seen.surroundings, autoMade: seen.autoMade }
}

/** Where retention looks for copies of these jobs, whatever the job was called that made them. */
function groupsOf(jobs: Scope['jobs'], { desired }: World): readonly GroupId[] {
  return desired.jobs.flatMap((job) =>
    jobs?.includes(job.id)
      ? job.sources.flatMap((source) => [source.group, formerGroup(job, source) ?? source.group])
      : [],
  )
}

async function observeTargets(
  scope: Scope,
  history: History,
  world: World,
  signal: AbortSignal,
): Promise<ReadonlyMap<TargetId, Listing>> {
  const prefixes = prefixesOf(scope, history, world)
  const known = completeCopies(history)
  const entries = world.desired.targets.map(async ({ id }): Promise<[TargetId, Listing]> => {
    const wanted = prefixes.get(id)
    if (scope.depth === 'history' || !wanted) return [id, { kind: 'unlisted' }]
    try {
      const target = await openTarget(world, id)
      const look = { id, target, prefixes: wanted, known: known.get(id) ?? new Map() }
      return [id, await observeTarget(look, world, signal)]
    } catch (error) {
      signal.throwIfAborted()
      return [id, { kind: 'unreachable', error: messageOf(error) }]
    }
  })
  return new Map(await Promise.all(entries))
}

/** What to list of each target: everything, or the prefixes of the jobs in scope, declared or gone. */
function prefixesOf(
  scope: Scope,
  history: History,
  world: World,
): ReadonlyMap<TargetId, readonly string[]> {
  const { targets, jobs } = world.desired
  if (scope.depth === 'all') return new Map(targets.map(({ id }) => [id, ['']]))
  const wanted = new Map<TargetId, Set<string>>(targets.map(({ id }) => [id, new Set()]))
  for (const job of jobs) {
    if (scope.jobs && !scope.jobs.includes(job.id)) continue
    for (const { target } of job.targets) {
      for (const source of job.sources) {
        for (const prefix of listPrefixes(job, source)) wanted.get(target)?.add(prefix)
      }
    }
  }
  // A group's older copies may lie on a target that its job does not write to any more.
  for (const { target, group, status } of history.copies) {
    if (status === 'complete' || status === 'writing') wanted.get(target)?.add(`${group}/`)
  }
  return new Map([...wanted].map(([id, set]) => [id, [...set]]))
}

function completeCopies(history: History): ReadonlyMap<TargetId, ReadonlyMap<string, Copy>> {
  // An attempt that is still open is not known: its manifest is what proves it complete.
  const open = new Set(
    history.backups.flatMap(({ id, status }) => (status === 'success' ? [] : [id])),
  )
  const known = new Map<TargetId, Map<string, Copy>>()
  for (const copy of history.copies) {
    if (copy.status !== 'complete' || open.has(copy.backup)) continue
    const ofTarget = known.get(copy.target) ?? new Map<string, Copy>()
    known.set(copy.target, ofTarget.set(copy.key, copy))
  }
  return known
}

async function observeOthers({ fleet, store }: World): Promise<readonly InstanceHolding[] | null> {
  if (fleet === null) return null
  const [instances, leases] = await Promise.all([fleet.instances(), store.leases()])
  const held = groupedBy(leases, (lease) => lease.instance)
  const self = fleet.self().id
  return instances
    .filter(({ id }) => id !== self)
    .map((one) => ({ ...one, holds: (held.get(one.id) ?? []).map(({ name }) => name) }))
}

async function observeLife(history: History, world: World): Promise<ReadonlySet<InstanceId>> {
  const open = [...history.backups, ...history.runs, ...history.restores].flatMap((one) =>
    one.status === 'running' || one.status === 'pending' ? [one.instance] : [],
  )
  const alive = new Set<InstanceId>()
  for (const instance of new Set(open)) {
    if (await world.leases.isAlive(instance)) alive.add(instance)
  }
  return alive
}
