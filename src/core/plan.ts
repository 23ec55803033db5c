import type { Action, ActionKind, Plan } from './action.ts'
import { coverage } from './coverage.ts'
import type { Desired, Instant, JobId } from './model.ts'
import type { Observed } from './observed.ts'
import { withoutPaused } from './pauses.ts'
import { planAdoptions } from './plan-adopt.ts'
import { settleAttempts } from './plan-attempts.ts'
import { planBackups } from './plan-backups.ts'
import { planJobs, planTargets } from './plan-config.ts'
import { planCopies } from './plan-copies.ts'
import { planDebris, planMissing } from './plan-objects.ts'
import { planPostures } from './plan-posture.ts'
import { planReleases } from './plan-restores.ts'
import { planOlderThan, planPrune } from './plan-retention.ts'
import { planVerify } from './plan-verify.ts'
import { inOrder, planWarnings } from './plan-warnings.ts'
import { sceneOf } from './scene.ts'

/**
 * The steps that bring `observed` to `desired` as of `now`, in the order a person would explain
 * them. Equal inputs give equal plans, whatever the order of what they list. Reads no clock, does
 * no I/O, never throws.
 */
export function plan(desired: Desired, observed: Observed, now: Instant): Plan {
  const config = [...planTargets(desired, observed), ...planJobs(desired, observed, now)]
  const warnings = planWarnings(desired, observed, now)
  const covered = coverage(desired, observed.surroundings ?? [], now)
  const seen = covered === null ? {} : { coverage: covered }
  const request = observed.restoreRequested
  if (request !== null) {
    // Nothing else until it is done. A backup of the data that is about to be replaced would be
    // fresh, valid and worthless, and would push good ones out of retention.
    const because = { rule: 'restore-requested', variable: request.variable } as const
    const restore = { kind: 'restore', subject: request.value, request, because } as const
    return { actions: [restore, ...config], warnings, kept: [], ...seen }
  }

  const settled = settleAttempts(desired, observed, now)
  const scene = sceneOf(desired, observed, settled, now)
  const adoptions = planAdoptions(scene)
  const proven = settled.actions.filter((action) => action.kind === 'adopt')
  const missing = planMissing(scene)
  const owed = planBackups(scene)
  const copies = planCopies(scene, [...proven, ...adoptions])
  const pruning = planPrune(scene)
  const actions: readonly Action[] = [
    ...config,
    ...planPostures(desired, observed),
    ...settled.actions,
    ...adoptions,
    ...missing,
    ...planDebris(scene, copies),
    ...owed.filter((action) => action.kind === 'backup'),
    ...owed.filter((action) => action.kind === 'skip'),
    ...copies,
    ...planVerify(scene, missing),
    ...pruning.actions,
    ...planReleases(scene),
  ]
  return {
    actions: withoutPaused(actions, observed),
    warnings: inOrder([...warnings, ...pruning.warnings]),
    kept: pruning.kept,
    ...seen,
  }
}

/**
 * What `backup prune --older-than` would delete: copies taken before `before`, of these jobs or of
 * all, under the floors and guards of every other deletion.
 */
// biome-ignore lint/complexity/useMaxParams: the three of every plan, and the two that a person named
export function pruneOlderThan(
  desired: Desired,
  observed: Observed,
  before: Instant,
  now: Instant,
  jobs: readonly JobId[] | null = null,
): Plan {
  const settled = settleAttempts(desired, observed, now)
  const pruning = planOlderThan(sceneOf(desired, observed, settled, now), before, jobs)
  const warnings = [...planWarnings(desired, observed, now), ...pruning.warnings]
  return { actions: pruning.actions, warnings: inOrder(warnings), kept: pruning.kept }
}

/**
 * Whether `plan --exit-code` ends with 2: the config, the world or what is stored would change in
 * a way that somebody may want to look at. Backups, verifies and restores that are due are not that.
 */
export function wantsExitCode2(plan: Plan): boolean {
  const isDrift = (plan.coverage?.unprotected.length ?? 0) > 0
  return isDrift || plan.actions.some(({ kind }) => IS_CHANGE[kind])
}

const IS_CHANGE = {
  restore: false,
  'target.create': true,
  'target.update': true,
  'target.remove': true,
  posture: true,
  'job.create': true,
  'job.update': true,
  'job.remove': true,
  backup: false,
  skip: false,
  abandon: false,
  adopt: true,
  missing: true,
  debris: true,
  copy: true,
  verify: false,
  prune: true,
  'prune-blocked': true,
  release: false,
} as const satisfies Readonly<Record<ActionKind, boolean>>
