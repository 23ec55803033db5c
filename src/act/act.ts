import type { Action, BackupAction, SkipAction } from '../core/action.ts'
import type { Backup, Copy, Instant, Run } from '../core/model.ts'
import type { Lease } from '../leases/lease.ts'
import { formatBytes } from '../lib/size.ts'
import { iso } from '../lib/time.ts'
import { unreachable } from '../lib/unreachable.ts'
import { declaredJob, type World } from '../observe/world.ts'
import { abandon, adopt } from './adopt.ts'
import { announceRun, type RunNews } from './announce.ts'
import { backup, type RunOutcome } from './backup.ts'
import { copyAndTell } from './copy-and-tell.ts'
import { noteMissing, prune, removeDebris } from './prune.ts'
import { release } from './release.ts'
import { skip } from './skip.ts'
import { forgetBlocked, tellBlocked } from './tell-blocked.ts'
import { verifyAndTell } from './verify-and-tell.ts'

/** An action of a plan that one job owns. Config actions are applied as a whole, restores on their own. */
export type JobOwned = Exclude<
  Action,
  {
    kind:
      | 'target.create'
      | 'target.update'
      | 'target.remove'
      | 'posture'
      | 'job.create'
      | 'job.update'
      | 'job.remove'
      | 'restore'
  }
>

/** What a deed came to, where more than "done" is to be told. */
export type Deed =
  | { readonly kind: 'ran'; readonly outcome: RunOutcome }
  | { readonly kind: 'done' }

/** Does one action, under its job's lease, and reports it. Throws what the deed throws. */
export async function act(
  action: JobOwned,
  world: World,
  lease: Lease,
  signal: AbortSignal,
): Promise<Deed> {
  if (action.kind === 'backup') {
    const taken = await takenByVardo(action, world)
    if (taken !== null) {
      await skip(taken, world)
      return { kind: 'done' }
    }
    const outcome = await backup({ ...action, runName: null }, world, lease, signal)
    return { kind: 'ran', outcome }
  }
  await actQuietly(action, world, lease, signal)
  return { kind: 'done' }
}

/** Asked once, as a slot begins: what is tried again or taken over was ours from then on. */
async function takenByVardo(action: BackupAction, world: World): Promise<SkipAction | null> {
  const { subject, slot, because } = action
  if (slot === null || (because.rule !== 'slot-due' && because.rule !== 'missed-slots')) return null
  const { id, vardoJobId } = declaredJob(world.desired, subject)
  const taken = await world.slots?.takeSlot({ job: vardoJobId ?? id, at: slot })
  if (taken !== 'vardo') return null
  return { kind: 'skip', subject, slot, because: { rule: 'taken-by-vardo' } }
}

/** The deeds that have nothing to hand back. */
async function actQuietly(
  action: Exclude<JobOwned, { kind: 'backup' }>,
  world: World,
  lease: Lease,
  signal: AbortSignal,
): Promise<void> {
  switch (action.kind) {
    case 'skip':
      return await skip(action, world)
    case 'abandon':
      return await abandonAttempt(action, world)
    case 'adopt':
      return await adoptArchive(action, world)
    case 'missing':
      return await tellMissing(action, world)
    case 'debris':
      return await sweepDebris(action, world, signal)
    case 'copy':
      return await copyAndTell(action, world, lease, signal)
    case 'verify':
      return await verifyAndTell(action, world, signal)
    case 'prune':
      return await pruneGroup(action, world, lease, signal)
    case 'prune-blocked':
      return await tellBlocked(action, world)
    case 'release':
      return await releaseRestore(action, world, signal)
    default:
      return unreachable(action)
  }
}

type Of<Kind extends Action['kind']> = Extract<Action, { kind: Kind }>

async function adoptArchive(action: Of<'adopt'>, world: World): Promise<void> {
  const { key, manifest, subject: target } = action
  await adopt(action, world)
  world.report({
    event: 'adopt.done',
    level: 'info',
    message: `adopted ${key} on ${target}`,
    target,
    key,
    job: manifest.job,
    source: manifest.source.name,
    backup: manifest.backup,
  })
}

async function tellMissing(action: Of<'missing'>, world: World): Promise<void> {
  const { copy, subject: target, because } = action
  await noteMissing(action, world)
  world.report({
    event: 'copy.missing',
    level: 'error',
    message: `${copy.key} is not on ${target} as it was written (${because.rule})`,
    target,
    key: copy.key,
    backup: copy.backup,
  })
}

async function sweepDebris(action: Of<'debris'>, world: World, signal: AbortSignal): Promise<void> {
  const { backup: attempt, subject: target } = action
  if ((await removeDebris(action, world, signal)) === 'retained') {
    return world.report({
      event: 'prune.retained',
      level: 'info',
      message: `the target ${target} keeps what attempt ${attempt} left: it is locked, or our key may not delete it`,
      target,
      backup: attempt,
    })
  }
  world.report({
    event: 'debris.removed',
    level: 'info',
    message: `removed what attempt ${attempt} left on ${target}`,
    target,
    backup: attempt,
  })
}

async function releaseRestore(
  { restore, subject: job, because }: Of<'release'>,
  world: World,
  signal: AbortSignal,
): Promise<void> {
  await release(restore, world, signal)
  world.report({
    event: 'restore.released',
    level: 'info',
    message:
      because.rule === 'restore-failed'
        ? `the restore of ${job}/${restore.source} failed: what it pinned is given back to retention`
        : `a baseline after the restore of ${job}/${restore.source} is complete: the data from before it is removed`,
    job,
    ...(restore.source === null ? {} : { source: restore.source }),
    detail: { rule: because.rule },
  })
}

async function abandonAttempt(action: Of<'abandon'>, world: World): Promise<void> {
  const gone = await abandon(action, world)
  if (!gone) return
  await announceRun(await abandonedNews(gone, world), world)
  world.report({
    event: 'backup.abandoned',
    level: 'error',
    message: `the attempt to back up ${gone.job}/${gone.source} ended without a word: counted as failed`,
    job: gone.job,
    source: gone.source,
    run: gone.run,
    backup: gone.id,
  })
}

async function abandonedNews(gone: Backup, world: World): Promise<RunNews> {
  const run: Run = {
    id: gone.run,
    job: gone.job,
    name: gone.runName,
    slot: gone.slot,
    trigger: gone.trigger,
    status: 'failed',
    instance: gone.instance,
    startedAt: gone.startedAt,
    finishedAt: gone.finishedAt,
  }
  return { run, backups: [gone], copies: await world.store.copies(gone.id), skip: null }
}

async function pruneGroup(
  action: Of<'prune'>,
  world: World,
  lease: Lease,
  signal: AbortSignal,
): Promise<void> {
  const began = world.now()
  const { deleted, spared, retained } = await prune(action.drop, world, lease, signal)
  tellRetained(action, retained, world)
  await forgetBlocked(action, world)
  const bytes = deleted.reduce((sum, copy) => sum + (copy.bytes ?? 0), 0)
  world.report({
    event: 'prune.done',
    level: 'info',
    message: `pruned ${deleted.length} of ${action.drop.length + action.keep.length} copies of ${action.group} on ${action.target} (${formatBytes(bytes)} freed)`,
    job: action.subject,
    target: action.target,
    bytes,
    durationMs: world.now() - began,
    detail: {
      keys: deleted.map(({ key }) => key),
      spared: spared.map(({ key }) => key),
      retained: retained.map(({ key }) => key),
    },
  })
}

/** No error: a lock does what it is there for, and a key that may not delete is a choice. */
function tellRetained(
  { subject, group, target }: Of<'prune'>,
  retained: readonly Copy[],
  world: World,
): void {
  if (retained.length === 0) return
  const locked = retained.flatMap(({ retained: why }) => (why?.why === 'lock' ? [why.until] : []))
  const refused = retained.length - locked.length
  const last = Math.max(...locked) as Instant
  const words = [
    ...(locked.length > 0 ? [`${locked.length} retained until ${iso(last)} at the latest`] : []),
    ...(refused > 0 ? [`${refused} that the key may not delete (append-only)`] : []),
  ]
  world.report({
    event: 'prune.retained',
    level: 'info',
    message: `the target ${target} keeps copies of ${group} that retention would let go: ${words.join(', ')}`,
    job: subject,
    target,
    detail: { keys: retained.map(({ key }) => key) },
  })
}
