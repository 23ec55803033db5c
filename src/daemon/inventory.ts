import { act, type JobOwned } from '../act/act.ts'
import type { Action, ActionKind } from '../core/action.ts'
import type { Coverage } from '../core/coverage.ts'
import type { Instant, JobId, TargetId } from '../core/model.ts'
import type { Observed } from '../core/observed.ts'
import { groupedBy } from '../core/order.ts'
import { ownersIn } from '../core/owner.ts'
import { plan } from '../core/plan.ts'
import { settingWords } from '../core/plan-posture.ts'
import { hold, type Lease } from '../leases/lease.ts'
import { messageOf, reportOf } from '../lib/errors.ts'
import { observe } from '../observe/observe.ts'
import type { World } from '../observe/world.ts'

/** Ended attempts of each source that are remembered although nothing is left of them. */
const REMEMBERED = 1000

/** Kinds of differences between the targets and what we know and want. */
export const DRIFT: ReadonlySet<string> = new Set(['adopt', 'missing', 'debris', 'prune-blocked'])

/** What an inventory found. */
export interface Inventory {
  /** Jobs that it found work for. */
  readonly jobs: ReadonlySet<JobId>
  readonly targets: ReadonlyMap<TargetId, TargetSeen>
  /** How many differences of each kind. */
  readonly drift: Readonly<Record<string, number>>
  /** What is seen and neither protected nor ignored; null where nobody looks. */
  readonly unprotected: number | null
  readonly at: Instant
}

export interface TargetSeen {
  /** Why it could not be looked at, or null. */
  readonly error: string | null
}

/**
 * Looks at whole targets: what of the history is missing there, what is there that the history does
 * not know. Declared jobs get a turn for it; what belongs to no declared job is dealt with here,
 * because nobody else acts on it. Null: somebody else is at it.
 */
export async function takeInventory(world: World, signal: AbortSignal): Promise<Inventory | null> {
  const turn = await hold(world.leases, 'inventory', signal, async (lease, held) => {
    const scope = {
      jobs: null,
      depth: 'all',
      pruneConfirmed: false,
      restoreRequested: null,
    } as const
    const observed = await observe(scope, world, held)
    const { actions, warnings, coverage } = plan(world.desired, observed, world.now())
    const declared = new Set(world.desired.jobs.map(({ id }) => id))
    const jobs = new Set<JobId>()
    const ownerOf = ownersIn(observed)
    for (const action of actions) {
      const owner = ownerOf(action)
      if (owner !== null && declared.has(owner)) jobs.add(owner)
      else if (isOrphan(action)) await actAlone(action, owner, { world, lease }, held)
    }
    const drift = driftOf(actions)
    tellDrift(drift, world)
    tellPostures(actions, world)
    tellUnprotected(coverage, world)
    for (const warning of warnings) {
      if (!world.news(`warning ${warning.rule} ${warning.subject}`, warning.message)) continue
      const { rule, subject, message, hint } = warning
      world.report({
        event: 'plan.made',
        level: 'warn',
        message: `${subject}: ${message}`,
        detail: { rule, subject, hint },
      })
    }
    const targets = targetsSeen(observed)
    tellTargets(targets, world)
    // A job that runs each minute would else have half a million rows to read in a year.
    await world.store.trim(REMEMBERED)
    const unprotected = coverage?.unprotected.length ?? null
    return { jobs, targets, drift, unprotected, at: world.now() }
  })
  return turn.kind === 'busy' ? null : turn.value
}

function targetsSeen({ listings }: Observed): ReadonlyMap<TargetId, TargetSeen> {
  return new Map(
    [...listings].map(([id, listing]) => [
      id,
      { error: listing.kind === 'unreachable' ? listing.error : null },
    ]),
  )
}

function tellTargets(targets: ReadonlyMap<TargetId, TargetSeen>, world: World): void {
  for (const [id, { error }] of targets) {
    if (!world.news(`target ${id}`, error ?? 'listed') || error === null) continue
    world.report({
      event: 'drift.found',
      level: 'error',
      message: `target ${id} cannot be looked at: ${error}`,
      target: id,
    })
  }
}

/** What no declared job owns, under the lease that its job would have; what fails keeps nothing else from its turn. */
async function actAlone(
  action: JobOwned,
  owner: JobId | null,
  { world, lease }: { readonly world: World; readonly lease: Lease },
  signal: AbortSignal,
): Promise<void> {
  try {
    if (owner === null) await act(action, world, lease, signal)
    else
      await hold(world.leases, `job:${owner}`, signal, (own, held) => act(action, world, own, held))
  } catch (error) {
    signal.throwIfAborted()
    if (!world.news(`orphan ${action.kind} ${action.subject}`, messageOf(error))) return
    world.report({
      event: 'pass.failed',
      level: 'error',
      message: `${action.kind} of ${action.subject} failed: ${messageOf(error)}`,
      error: reportOf(error),
      detail: { action: action.kind, subject: action.subject },
    })
  }
}

/** Once for each change of what was found: a setting that nobody mends is no news. */
function tellPostures(actions: readonly Action[], world: World): void {
  const unmet = groupedBy(
    actions.filter((action) => action.kind === 'posture'),
    ({ subject }) => subject,
  )
  for (const { id } of world.desired.targets) {
    const settings = (unmet.get(id) ?? []).map(({ because, settable }) => {
      const { setting, expected, found } = because
      return { setting, expected, found, settable }
    })
    if (!world.news(`posture ${id}`, JSON.stringify(settings)) || settings.length === 0) continue
    const words = settings.map(
      ({ setting, expected, found }) =>
        `${settingWords(setting)} is ${found}, expected: ${expected}`,
    )
    world.report({
      event: 'drift.found',
      level: 'warn',
      message: `target ${id} is not set up as the file expects: ${words.join('; ')}`,
      target: id,
      detail: { settings },
    })
  }
}

/** Once for each change of what lies open. */
function tellUnprotected(coverage: Coverage | undefined, world: World): void {
  const open = coverage?.unprotected.map(({ kind, name, app }) => ({ kind, name, app })) ?? []
  if (!world.news('unprotected', JSON.stringify(open)) || open.length === 0) return
  const words = open.map(({ kind, name }) => `${kind} ${name}`).join(', ')
  world.report({
    event: 'drift.found',
    level: 'warn',
    message: `nothing protects ${words}; what to write: holdfast plan`,
    detail: { unprotected: open },
  })
}

const ORPHANED: ReadonlySet<ActionKind> = new Set(['abandon', 'adopt', 'missing', 'debris'])

function isOrphan(action: Action): action is JobOwned {
  return ORPHANED.has(action.kind)
}

function driftOf(actions: readonly Action[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const { kind } of actions) if (DRIFT.has(kind)) counts[kind] = (counts[kind] ?? 0) + 1
  return counts
}

function tellDrift(counts: Readonly<Record<string, number>>, world: World): void {
  if (Object.keys(counts).length === 0 || !world.news('drift', JSON.stringify(counts))) return
  const words = Object.entries(counts).map(([kind, count]) => `${count} ${kind}`)
  world.report({
    event: 'drift.found',
    level: 'info',
    message: `the world differs from the file: ${words.join(', ')}; look with: holdfast plan`,
    detail: counts,
  })
}
