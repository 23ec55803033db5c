import type { ActionKind, Plan } from './action.ts'

/**
 * Whether `plan --exit-code` ends with 2: the config, the world or what is stored would change in
 * a way that somebody may want to look at. Backups, verifies and restores that are due are not that.
 */
export function wantsExitCode2(plan: Plan): boolean {
  return plan.actions.some(({ kind }) => IS_CHANGE[kind])
}

const IS_CHANGE = {
  restore: false,
  'target.create': true,
  'target.update': true,
  'target.remove': true,
  'job.create': true,
  'job.update': true,
  'job.remove': true,
  backup: false,
  skip: false,
  abandon: false,
  adopt: true,
  missing: true,
  debris: true,
  verify: false,
  prune: true,
  'prune-blocked': true,
  release: false,
} as const satisfies Readonly<Record<ActionKind, boolean>>
