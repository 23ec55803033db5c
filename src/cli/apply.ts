import type { JobOwned } from '../act/act.ts'
import { deliverNotifications } from '../act/announce.ts'
import type { Action, Plan } from '../core/action.ts'
import type { DesiredJob } from '../core/model.ts'
import { applyConfig } from '../daemon/apply.ts'
import { refuseUnavailable } from '../daemon/reload.ts'
import { EVERY_KIND, takeTurn } from '../daemon/turn.ts'
import { exitCodeOf, LeaseBusy, messageOf, reportOf } from '../lib/errors.ts'
import type { World } from '../observe/world.ts'
import { renderPlan } from '../view/human.ts'
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
  await using opened = await openForWork(named, context, (desired) =>
    refuseUnavailable(desired, context.env),
  )
  const { world, desired } = opened
  const { plan } = await lookAround(world, context, null)
  if (plan.actions.length === 0) {
    context.out(flags.json ? appliedJson([]) : `nothing to do${unseenIn(plan) || AS_TOLD}`)
    return 0
  }
  if (!flags.json) context.out(renderPlan(plan, { color: context.terminal.color && flags.color }))
  await confirm('Do it?', flags, context)
  const changes = await applyConfig(world, context.interrupted)
  let code = 0
  for (const job of desired.jobs)
    code = worse(code, await applyJob(job, world, context.interrupted))
  await deliverNotifications(world, context.interrupted).catch(() => {})
  context.out(
    flags.json
      ? appliedJson(changes)
      : code === 0
        ? `done${unseenIn(plan) || AS_TOLD}`
        : DONE_IN_PART,
  )
  return code
}

/** What keeps anybody from saying that the world is as the file says. */
function unseenIn({ warnings }: Plan): string {
  const away = warnings.filter(({ rule }) => rule === 'target-unreachable')
  const ids = away.map(({ subject }) => subject).join(', ')
  return ids === '' ? '' : `, but ${ids} could not be looked at`
}

function appliedJson(changes: readonly Action[]): string {
  const applied = changes.map(({ kind, subject }) => ({ kind, subject }))
  return JSON.stringify({ applied }, null, 2)
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
