import type { JobOwned } from '../act/act.ts'
import { deliverNotifications } from '../act/announce.ts'
import { type PosturesSet, setPostures } from '../act/set-postures.ts'
import type { Action, Plan, PostureAction } from '../core/action.ts'
import type { DesiredJob, TargetId } from '../core/model.ts'
import { settingWords } from '../core/plan-posture.ts'
import { type PostureSeen, postureState, type Unmet, unmetOf } from '../core/posture.ts'
import { applyConfig } from '../daemon/apply.ts'
import { refuseUnavailable } from '../daemon/reload.ts'
import { EVERY_KIND, takeTurn } from '../daemon/turn.ts'
import { exitCodeOf, LeaseBusy, messageOf, reportOf } from '../lib/errors.ts'
import type { World } from '../observe/world.ts'
import { renderPlan } from '../view/human.ts'
import { unmetJson } from '../view/posture.ts'
import { confirm } from './confirm.ts'
import type { Context, GlobalFlags } from './context.ts'
import { lookAround } from './look.ts'
import { openForWork } from './opened.ts'
import { PATIENCE } from './patience.ts'

const AS_TOLD = ': the world is as the file says'
const DONE_IN_PART = 'done as far as it went: what failed stands above, and is owed still'

export interface ApplyFlags {
  readonly file?: string
  readonly yes?: boolean
}

/** `apply [-f FILE]`: makes the difference go away once, as the daemon would: what is new, due, owed. */
export async function apply(
  _words: readonly string[],
  flags: ApplyFlags & GlobalFlags,
  context: Context,
): Promise<number> {
  const named = flags.file === undefined ? flags : { ...flags, config: flags.file }
  await using opened = await openForWork(
    named,
    context,
    (desired) => refuseUnavailable(desired, context.env),
    'remembered',
  )
  const { world, desired } = opened
  const { plan, observed } = await lookAround(world, context, null)
  if (!flags.json && plan.actions.length > 0)
    context.out(renderPlan(plan, { color: context.terminal.color && flags.color }))
  if (!plan.actions.some(isOurs)) {
    const unmet = unmetIn(observed.postures)
    context.out(
      flags.json ? appliedJson([], unmet) : closing('nothing to do', plan, observed.postures),
    )
    return 0
  }
  await confirm('Do it?', flags, context)
  const changes = await applyConfig(world, context.interrupted)
  const settable = plan.actions.filter(isPosture).filter((action) => action.settable)
  const set = await setPostures(settable, world, context.interrupted)
  let code = tellNotSet(set, world)
  for (const job of desired.jobs)
    code = worse(code, await applyJob(job, world, context.interrupted))
  await deliverNotifications(world, context.interrupted).catch(() => {})
  const postures = new Map([...observed.postures, ...set.after])
  const done = set.outcomes.flatMap(({ kind, action }) => (kind === 'set' ? [action] : []))
  if (flags.json) context.out(appliedJson([...changes, ...done], unmetIn(postures)))
  else context.out(code === 0 ? closing('done', plan, postures) : DONE_IN_PART)
  return code
}

function isPosture(action: Action): action is PostureAction {
  return action.kind === 'posture'
}

/** Whether there is something that we can do: a setting may be nobody's but a person's. */
function isOurs(action: Action): boolean {
  return !isPosture(action) || action.settable
}

type TargetUnmet = Unmet & { readonly target: TargetId }

function unmetIn(postures: ReadonlyMap<TargetId, PostureSeen>): readonly TargetUnmet[] {
  return [...postures].flatMap(([target, seen]) =>
    unmetOf(seen).map((finding) => ({ ...finding, target })),
  )
}

/** Settings that are not ours to set are no failure, and no reason to say that all is well. */
function closing(
  what: string,
  { warnings }: Plan,
  postures: ReadonlyMap<TargetId, PostureSeen>,
): string {
  const left = unmetIn(postures).map(
    ({ target, setting }) => `${settingWords(setting)} of target ${target}`,
  )
  if (left.length > 0) return `${what}, but for what is left to be set by hand: ${left.join(', ')}`
  const dark = [...postures].flatMap(([id, seen]) => (postureState(seen) === 'unknown' ? [id] : []))
  if (dark.length > 0) return `${what}, but nobody could tell how ${dark.join(', ')} is set up`
  const away = warnings.filter(({ rule }) => rule === 'target-unreachable')
  if (away.length > 0) {
    return `${what}, but ${away.map(({ subject }) => subject).join(', ')} could not be looked at`
  }
  return what + AS_TOLD
}

function appliedJson(changes: readonly Action[], left: readonly TargetUnmet[]): string {
  const applied = changes.map((action) => ({
    kind: action.kind,
    subject: action.subject,
    ...(isPosture(action) ? { setting: action.because.setting } : {}),
  }))
  const unmet = left.map(({ target, ...finding }) => ({ target, ...unmetJson(finding) }))
  return JSON.stringify({ applied, unmet }, null, 2)
}

function tellNotSet({ outcomes }: PosturesSet, world: World): number {
  let code = 0
  for (const outcome of outcomes) {
    if (outcome.kind !== 'failed') continue
    const { action, error } = outcome
    world.report({
      event: 'pass.failed',
      level: 'error',
      message: `${settingWords(action.because.setting)} of target ${action.subject} is not set: ${messageOf(error)}`,
      target: action.subject,
      error: reportOf(error),
    })
    code = worse(code, exitCodeOf(error))
  }
  return code
}

/** Partial is better than any failure, whatever their numbers. */
function worse(one: number, other: number): number {
  const PARTIAL = 3
  return one === 0 || (one === PARTIAL && other !== 0) ? other : one
}

async function applyJob(job: DesiredJob, world: World, signal: AbortSignal): Promise<number> {
  const turn = await takeTurn(
    {
      job: job.id,
      first: null,
      kinds: EVERY_KIND,
      pruneConfirmed: false,
      giveWay: signal,
      patience: PATIENCE,
    },
    world,
    signal,
  )
  if (turn.kind === 'busy') throw new LeaseBusy(`job ${job.id}`, turn.holder)
  let code = 0
  for (const outcome of turn.value) {
    if (outcome.kind === 'failed') {
      tellFailed(outcome.action, outcome.error, world)
      code = worse(code, exitCodeOf(outcome.error))
    } else if (outcome.deed.kind === 'ran') {
      const { run, backups } = outcome.deed.outcome
      const failed = backups.find(({ backup }) => backup.status !== 'success')
      code = worse(code, failed ? exitCodeOf(failed.cause) : run.status === 'partial' ? 3 : 0)
    }
  }
  return code
}

function tellFailed(action: JobOwned, error: unknown, world: World): void {
  world.report({
    event: 'pass.failed',
    level: 'error',
    message: `${action.kind} of ${action.subject} failed: ${messageOf(error)}`,
    error: reportOf(error),
  })
}
