import { iso } from '../lib/time.ts'
import type { Kept, PruneAction, PruneBlockedAction } from './action.ts'
import { listPrefix } from './archive-key.ts'
import type { Copy, DesiredJob, Instant, JobId, Retention } from './model.ts'
import type { Warning } from './observed.ts'
import {
  blockOf,
  type Place,
  pinsOf,
  type Shrinkage,
  shrinkage,
  shrunkWarning,
  twinsOn,
  validCopies,
} from './plan-guards.ts'
import { decideRetention, describePolicy, type Retained } from './retention.ts'
import { placesOf, type Scene } from './scene.ts'

/** What goes, what may not go although it would, and why everything else stays. */
export interface Pruning {
  readonly actions: readonly (PruneAction | PruneBlockedAction)[]
  readonly kept: readonly Kept[]
  readonly warnings: readonly Warning[]
}

interface Decision {
  readonly keep: readonly Kept[]
  readonly drop: readonly Copy[]
  readonly because: PruneAction['because']
}

type Decide = (place: Place, valid: readonly Retained<Copy>[]) => Decision

/** What the declared retention no longer keeps. A paused job loses nothing unless a person says so. */
export function planPrune(scene: Scene): Pruning {
  return pruning(scene, scene.jobs, ({ policy }, valid) => {
    const { keep, drop } = decideRetention(valid, policy, scene.now)
    const because = {
      rule: 'outside-retention',
      kept: keep.length,
      policy: describePolicy(policy),
    } as const
    return { keep: keep.map(({ item, reasons }) => ({ copy: item, reasons })), drop, because }
  })
}

/**
 * What was taken before `before`, for `backup prune --older-than`; the rules of retention aside, its
 * floors and guards are the same. `jobs`: only these, or null for all.
 */
export function planOlderThan(
  scene: Scene,
  before: Instant,
  jobs: readonly JobId[] | null,
): Pruning {
  const chosen = scene.jobs.filter((job) => jobs === null || jobs.includes(job.id))
  return pruning(scene, chosen, ({ policy }, valid) => {
    const floors = decideRetention(valid, nothingBut(policy), scene.now)
    const isOlder = (copy: Copy) => copy.takenAt < before
    const younger = floors.drop.filter((copy) => !isOlder(copy))
    return {
      keep: [
        ...floors.keep.map(({ item, reasons }) => ({ copy: item, reasons })),
        ...younger.map((copy) => ({ copy, reasons: ['not-older'] })),
      ],
      drop: floors.drop.filter(isOlder),
      because: { rule: 'older-than', before },
    }
  })
}

/** The policy's floors with one rule set, which keeps none. */
function nothingBut({ keepAtLeast, timezone }: Retention): Retention {
  return { ...NO_RULES, keepLast: 0, keepAtLeast, timezone }
}

const NO_RULES = {
  keepAll: false,
  keepHourly: null,
  keepDaily: null,
  keepWeekly: null,
  keepMonthly: null,
  keepYearly: null,
  keepWithin: null,
  keepWithinHourly: null,
  keepWithinDaily: null,
  keepWithinWeekly: null,
  keepWithinMonthly: null,
  keepWithinYearly: null,
} as const satisfies Partial<Retention>

function pruning(scene: Scene, jobs: readonly DesiredJob[], decide: Decide): Pruning {
  const actions: (PruneAction | PruneBlockedAction)[] = []
  const kept: Kept[] = []
  const warnings: Warning[] = []
  // With a part of the history only, what looks like the oldest of a group may be its newest.
  if (scene.observed.history.depth !== 'full') return { actions, kept, warnings }

  const pins = pinsOf(scene)
  for (const place of jobs.flatMap((job) => [...listedPlaces(scene, job)])) {
    const valid = validCopies(scene, place, pins)
    const shrunk = shrinkage(place.job, valid, scene.now)
    if (shrunk !== null) warnings.push(shrunkWarning(place, shrunk))
    const decision = withTwins(scene, place, decide(place, valid))
    const outcome = judged(scene, place, decision, shrunk)
    if (outcome.action !== null) actions.push(outcome.action)
    kept.push(...decision.keep, ...outcome.spared)
  }
  return { actions, kept, warnings }
}

/** The places of a job whose target was listed as far as the group's keys go. */
function* listedPlaces(scene: Scene, job: DesiredJob): Generator<Place> {
  for (const { source, target } of placesOf(job)) {
    if (!scene.covered(target.target, listPrefix(job, source))) continue
    yield {
      job,
      target: target.target,
      group: source.group,
      policy: target.retention,
      after: target.prunedAfter ?? null,
    }
  }
}

/** The decision without the drops whose twin was never seen complete where the place has to wait for it. */
function withTwins(scene: Scene, { after, group }: Place, decision: Decision): Decision {
  if (after === null || decision.drop.length === 0) return decision
  const twins = twinsOn(scene, after, group)
  const isWaiting = ({ backup }: Copy) => !twins.has(backup)
  const waiting = decision.drop.filter(isWaiting)
  return {
    ...decision,
    keep: [...decision.keep, ...spared(waiting, 'twin-missing')],
    drop: decision.drop.filter((copy) => !isWaiting(copy)),
  }
}

interface Outcome {
  readonly action: PruneAction | PruneBlockedAction | null
  /** Copies that retention would let go and that stay all the same. */
  readonly spared: readonly Kept[]
}

function judged(scene: Scene, place: Place, decision: Decision, shrunk: Shrinkage | null): Outcome {
  const isHeld = ({ retained }: Copy) => retained !== null && retained.until > scene.now
  const held = decision.drop.filter(isHeld)
  const drop = decision.drop.filter((copy) => !isHeld(copy))
  const total = decision.keep.length + decision.drop.length
  const outcome = judgedLoose(scene, place, { ...decision, drop, total }, shrunk)
  return { ...outcome, spared: [...outcome.spared, ...held.map(keptByTarget)] }
}

/** What the target itself keeps, as it said when it was last asked to let go. */
function keptByTarget(copy: Copy): Kept {
  const { retained } = copy
  const isLocked = retained?.why === 'lock'
  return { copy, reasons: [isLocked ? `retained until ${iso(retained.until)}` : 'append-only'] }
}

function judgedLoose(
  scene: Scene,
  place: Place,
  { keep, drop, because, total }: Decision & { readonly total: number },
  shrunk: Shrinkage | null,
): Outcome {
  if (drop.length === 0) return { action: null, spared: [] }
  const at = { subject: place.job.id, target: place.target, group: place.group }
  if (
    !place.job.enabled &&
    because.rule === 'outside-retention' &&
    !scene.observed.pruneConfirmed
  ) {
    return { action: null, spared: spared(drop, 'paused') }
  }
  if (scene.isBeingRestored(place.group)) {
    return { action: null, spared: spared(drop, 'being-restored') }
  }
  const block = blockOf(scene, place, { drop: drop.length, total, shrunk })
  return block === null
    ? { action: { kind: 'prune', ...at, drop: oldestFirst(drop), keep, because }, spared: [] }
    : {
        action: { kind: 'prune-blocked', ...at, would: oldestFirst(drop), keep, because: block },
        spared: spared(drop, 'prune-blocked'),
      }
}

function spared(copies: readonly Copy[], reason: string): readonly Kept[] {
  return copies.map((copy) => ({ copy, reasons: [reason] }))
}

/** A pass that is cut short then has deleted what mattered least. */
function oldestFirst(newestFirst: readonly Copy[]): readonly Copy[] {
  return newestFirst.toReversed()
}
