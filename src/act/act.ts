import type { Action, SkipAction } from '../core/action.ts'
import type { Backup, BackupId, Run, RunId } from '../core/model.ts'
import { formatBytes } from '../lib/size.ts'
import { unreachable } from '../lib/unreachable.ts'
import type { Lease } from '../leases/lease.ts'
import type { World } from '../observe/world.ts'
import { declaredJob } from '../observe/world.ts'
import { abandon, adopt } from './adopt.ts'
import { backup, type RunOutcome } from './backup.ts'
import { noteMissing, prune, removeDebris } from './prune.ts'
import { release } from './release.ts'
import { verify } from './verify.ts'

/** An action of a plan that one job owns. Config actions are applied as a whole, restores on their own. */
export type JobOwned = Exclude<
  Action,
  { kind: 'target.create' | 'target.update' | 'target.remove' | 'job.create' | 'job.update' | 'job.remove' | 'restore' }
>

/** What a deed came to, where more than "done" is to be told. */
export type Deed = { readonly kind: 'ran'; readonly outcome: RunOutcome } | { readonly kind: 'done' }

const DONE: Deed = { kind: 'done' }

/** Does one action, under its job's lease, and reports it. Throws what the deed throws. */
export async function act(
  action: JobOwned,
  world: World,
  lease: Lease,
  signal: AbortSignal,
): Promise<Deed> {
  switch (action.kind) {
    case 'backup':
      return { kind: 'ran', outcome: await backup({ ...action, runName: null }, world, lease, signal) }
    case 'skip':
      await skip(action, world)
      return DONE
    case 'abandon':
      await abandonAttempt(action, world)
      return DONE
    case 'adopt':
      await adopt(action, world)
      world.report({ event: 'adopt.done', level: 'info', message: `adopted ${action.key} on ${action.subject}`, target: action.subject, key: action.key, job: action.manifest.job, source: action.manifest.source.name, backup: action.manifest.backup })
      return DONE
    case 'missing':
      await noteMissing(action, world)
      world.report({ event: 'copy.missing', level: 'error', message: `${action.copy.key} is not on ${action.subject} as it was written (${action.because.rule})`, target: action.subject, key: action.copy.key, backup: action.copy.backup })
      return DONE
    case 'debris':
      await removeDebris(action, world, signal)
      world.report({ event: 'debris.removed', level: 'info', message: `removed what attempt ${action.backup} left on ${action.subject}`, target: action.subject, backup: action.backup })
      return DONE
    case 'verify':
      await verifyCopy(action, world, signal)
      return DONE
    case 'prune':
      await pruneGroup(action, world, lease, signal)
      return DONE
    case 'prune-blocked':
      tellBlocked(action, world)
      return DONE
    case 'release':
      await release(action.restore, world, signal)
      world.report({ event: 'restore.released', level: 'info', message: `a baseline after the restore of ${action.subject}/${action.restore.source} is complete: the data from before it is removed`, job: action.subject, ...(action.restore.source ? { source: action.restore.source } : {}) })
      return DONE
    default:
      return unreachable(action)
  }
}

/** Records a slot that cannot or must not run, once for each source. */
export async function skip(action: SkipAction, world: World): Promise<void> {
  const job = declaredJob(world.desired, action.subject)
  const at = world.now()
  const why = action.because.rule === 'no-target' ? action.because.why : 'the run before it was still going on'
  const run: Run = { id: world.newId() as RunId, job: job.id, name: null, slot: action.slot, trigger: 'schedule', status: 'skipped', instance: world.instance, startedAt: at, finishedAt: at }
  await world.store.openRun(run)
  for (const source of job.sources) {
    const row: Backup = { id: world.newId() as BackupId, run: run.id, runName: null, job: job.id, organization: job.organization, app: job.app, source: source.name, sourceKind: source.kind, group: source.group, slot: action.slot, attempt: 1, trigger: 'schedule', status: 'skipped', instance: world.instance, fence: 0, startedAt: at, finishedAt: at, storedBytes: null, contentBytes: null, error: why, warnings: [] }
    await world.store.openBackup(row)
  }
  world.report({ event: 'backup.skipped', level: 'warn', message: `skipped the slot ${new Date(action.slot).toISOString()} of ${job.id}: ${why}`, job: job.id, run: run.id, detail: { slot: new Date(action.slot).toISOString(), rule: action.because.rule } })
}

async function abandonAttempt(action: Extract<Action, { kind: 'abandon' }>, world: World): Promise<void> {
  const gone = await abandon(action, world)
  if (!gone) return
  world.report({ event: 'backup.abandoned', level: 'error', message: `the attempt to back up ${gone.job}/${gone.source} ended without a word: counted as failed`, job: gone.job, source: gone.source, run: gone.run, backup: gone.id })
}

async function verifyCopy(
  { copy, subject }: Extract<Action, { kind: 'verify' }>,
  world: World,
  signal: AbortSignal,
): Promise<void> {
  const began = world.now()
  const verified = await verify(copy, subject, world, signal)
  const how = verified.depth === 'content' ? 'read to its end' : 'stored bytes only: no identity is configured'
  world.report({ event: 'verify.done', level: 'info', message: `verified ${copy.key} on ${copy.target} (${formatBytes(verified.bytes)}, ${how})`, job: subject, target: copy.target, key: copy.key, backup: copy.backup, bytes: verified.bytes, durationMs: world.now() - began, detail: { depth: verified.depth, contentBytes: verified.contentBytes, contentSha256: verified.contentSha256, entries: verified.entries } })
}

async function pruneGroup(
  action: Extract<Action, { kind: 'prune' }>,
  world: World,
  lease: Lease,
  signal: AbortSignal,
): Promise<void> {
  const began = world.now()
  const { deleted, spared } = await prune(action.drop, world, lease, signal)
  const bytes = deleted.reduce((sum, copy) => sum + (copy.bytes ?? 0), 0)
  world.report({ event: 'prune.done', level: 'info', message: `pruned ${deleted.length} of ${action.drop.length + action.keep.length} copies of ${action.group} on ${action.target} (${formatBytes(bytes)} freed)`, job: action.subject, target: action.target, bytes, durationMs: world.now() - began, detail: { keys: deleted.map(({ key }) => key), spared: spared.map(({ key }) => key) } })
}

function tellBlocked(action: Extract<Action, { kind: 'prune-blocked' }>, world: World): void {
  const told = `prune-blocked ${action.group} ${action.target}`
  if (!world.news(told, `${action.because.rule} ${action.would.length}`)) return
  world.report({ event: 'prune.blocked', level: 'warn', message: `nothing is pruned of ${action.group} on ${action.target} (${action.because.rule}): ${action.would.length} copies would go; look with: holdfast plan`, job: action.subject, target: action.target, detail: { ...action.because, would: action.would.length } })
}
