import { dirname, resolve } from 'node:path'
import { loadConfig } from '../config/load.ts'
import type { Plan } from '../core/action.ts'
import { appliedAfter } from '../core/applied.ts'
import type { Desired, JobId } from '../core/model.ts'
import type { Observed } from '../core/observed.ts'
import { plan as planActions, wantsExitCode2 } from '../core/plan.ts'
import { Refused } from '../lib/errors.ts'
import { renderPlan } from '../view/human.ts'
import { planJson } from '../view/json.ts'
import { planMarkdown } from '../view/markdown.ts'
import type { Context, GlobalFlags } from './context.ts'
import { lookAround } from './look.ts'
import { open } from './opened.ts'
import { subjectsOf } from './subjects.ts'

export interface PlanFlags {
  readonly offline?: boolean
  /** A config file to compare with, for `--offline`. */
  readonly against?: string
  readonly markdown?: boolean
  readonly exitCode?: boolean
  readonly failOnUnprotected?: boolean
}

const UNPROTECTED = 4

/** `plan`: what would be done, and why. Looks at everything and changes nothing. */
export async function plan(
  words: readonly string[],
  flags: PlanFlags & GlobalFlags,
  context: Context,
): Promise<number> {
  if (flags.against !== undefined && !flags.offline) {
    throw new Refused('--against compares two files and goes with --offline', {
      hint: `holdfast plan --offline --against ${flags.against}`,
    })
  }
  if (flags.failOnUnprotected && flags.offline) {
    throw new Refused('--fail-on-unprotected looks at engines, and --offline at nothing')
  }
  const { plan: made, desired } = flags.offline
    ? await planOffline(flags, context)
    : await planOnline(words, flags, context)
  context.out(render(made, desired, flags, context))
  if (flags.failOnUnprotected && isOpen(made)) return UNPROTECTED
  return flags.exitCode && wantsExitCode2(made) ? 2 : 0
}

/** Whether something lies open, or nobody could tell. */
function isOpen({ coverage }: Plan): boolean {
  if (coverage === undefined) {
    throw new Refused('--fail-on-unprotected needs somebody who looks for apps', {
      hint: 'write docker: { discover: true }',
    })
  }
  const { unprotected, unseen, engines } = coverage
  return unprotected.length > 0 || unseen.length > 0 || engines === 0
}

async function planOnline(words: readonly string[], flags: GlobalFlags, context: Context) {
  await using opened = await open(flags, context, undefined, 'fresh')
  const { world, desired } = opened
  const jobs: readonly JobId[] | null =
    words.length === 0 ? null : subjectsOf(words, desired.jobs).map(({ job }) => job.id)
  const { plan: made } = await lookAround(world, context, jobs)
  return { plan: made, desired }
}

/** From two files alone: what a change of the config means, without looking at anything. */
async function planOffline(flags: PlanFlags & GlobalFlags, context: Context) {
  const { env, cwd } = context
  const desired = await loadConfig({ path: flags.config ?? null, env, cwd, unset: 'leave' })
  const before =
    flags.against === undefined
      ? null
      : await loadConfig({
          path: resolve(context.cwd, flags.against),
          env: context.env,
          cwd: context.cwd,
          folder: dirname(desired.origin.path),
          unset: 'leave',
        })
  const now = context.now()
  const observed: Observed = {
    applied: before && appliedAfter(before, null, now),
    history: { depth: 'recent', runs: [], backups: [], copies: [], restores: [] },
    listings: new Map(desired.targets.map(({ id }) => [id, { kind: 'unlisted' }])),
    postures: new Map(),
    alive: new Set(),
    pauses: [],
    pruneConfirmed: false,
    restoreRequested: null,
    warnings: [],
  }
  return { plan: planActions(desired, observed, now), desired }
}

function render(
  made: Plan,
  desired: Desired,
  flags: PlanFlags & GlobalFlags,
  context: Context,
): string {
  if (flags.json) return JSON.stringify(planJson(made), null, 2)
  if (flags.markdown) return planMarkdown(made, desired.notices)
  const color = context.terminal.color && flags.color
  return [renderPlan(made, { color }), ...desired.notices].join('\n')
}
