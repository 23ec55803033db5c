import type { act, JobOwned } from '../act/act.ts'
import { deliverNotifications } from '../act/announce.ts'
import { type BackupOutcome, backup } from '../act/backup.ts'
import type { ActionKind, BackupAction } from '../core/action.ts'
import { refuseUnavailable } from '../daemon/reload.ts'
import { type Outcome, takeTurn } from '../daemon/turn.ts'
import { exitCodeOf, LeaseBusy, messageOf, Refused, reportOf } from '../lib/errors.ts'
import type { World } from '../observe/world.ts'
import type { Context, GlobalFlags } from './context.ts'
import { lookAround } from './look.ts'
import { openForWork } from './opened.ts'
import { PATIENCE } from './patience.ts'
import { plainRows, rowsBy } from './rows.ts'
import { type Subject, subjectsOf } from './subjects.ts'

export interface CreateFlags {
  readonly name?: string
}

/** What follows a backup in its turn: retention and the release of restores, never another backup. */
const AFTER: ReadonlySet<ActionKind> = new Set([
  'prune',
  'prune-blocked',
  'release',
  'abandon',
  'adopt',
])

/** `backup create [job[/source]…] [--name]`: runs them now, under the same leases as the daemon. */
export async function backupCreate(
  words: readonly string[],
  flags: CreateFlags & GlobalFlags,
  context: Context,
): Promise<number> {
  await using opened = await openForWork(
    flags,
    context,
    (desired) => refuseUnavailable(desired, context.env),
    'remembered',
  )
  const { world, desired } = opened
  const subjects = subjectsOf(words, desired.jobs)
  if (subjects.length === 0)
    throw new Refused('no job is declared', { hint: 'write one into the config' })
  const results: BackupOutcome[] = []
  for (const subject of subjects) {
    if (context.interrupted.aborted) break
    results.push(...(await create(subject, flags, world, context.interrupted)))
  }
  await deliverNotifications(world, context.interrupted).catch(() => {})
  if (flags.json) await tellJson(results, world, context)
  return codeOf(results)
}

async function tellJson(
  results: readonly BackupOutcome[],
  world: World,
  context: Context,
): Promise<void> {
  const jobs = [...new Set(results.map(({ backup: { job } }) => job))]
  // What was made is told also when nobody can look any more: after an interrupt, on a full disk.
  const rowsOf = await lookAround(world, context, jobs).then(
    ({ observed, plan }) => rowsBy(observed, plan),
    () => plainRows,
  )
  const backups = results.flatMap((one) => rowsOf(one.backup, one.copies))
  context.out(JSON.stringify({ backups }, null, 2))
}

async function create(
  { job, sources }: Subject,
  flags: CreateFlags,
  world: World,
  signal: AbortSignal,
): Promise<readonly BackupOutcome[]> {
  const action: BackupAction = {
    kind: 'backup',
    subject: job.id,
    sources,
    slot: null,
    attempt: 1,
    trigger: 'manual',
    because: { rule: 'requested', by: 'command' },
  }
  const results: BackupOutcome[] = []
  const first = async (lease: Parameters<typeof act>[2], held: AbortSignal): Promise<Outcome> => {
    const outcome = await backup({ ...action, runName: flags.name ?? null }, world, lease, held)
    results.push(...outcome.backups)
    return { action: action as JobOwned, kind: 'done', deed: { kind: 'ran', outcome } }
  }
  const turn = await takeTurn(
    {
      job: job.id,
      first,
      kinds: AFTER,
      pruneConfirmed: false,
      giveWay: signal,
      patience: PATIENCE,
    },
    world,
    signal,
  )
  if (turn.kind === 'busy') throw new LeaseBusy(`job ${job.id}`, turn.holder)
  for (const outcome of turn.value) {
    if (outcome.kind === 'failed') {
      world.report({
        event: 'pass.failed',
        level: 'warn',
        message: `${outcome.action.kind} after the backup failed: ${messageOf(outcome.error)}`,
        error: reportOf(outcome.error),
      })
    }
  }
  return results
}

/** The worst that happened: a failed source, then a copy that is missing. */
function codeOf(results: readonly BackupOutcome[]): number {
  const failed = results.find(({ backup: { status } }) => status !== 'success')
  if (failed) return exitCodeOf(failed.cause)
  return results.some(({ copies }) => copies.some(({ status }) => status !== 'complete')) ? 3 : 0
}
