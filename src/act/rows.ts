import type {
  Backup,
  BackupId,
  DesiredJob,
  DesiredSource,
  Instant,
  Run,
  RunId,
} from '../core/model.ts'
import type { World } from '../observe/world.ts'

type RunStart = Pick<Run, 'name' | 'slot' | 'trigger'>

/** Now, or `startedAt` where the clock was set back since: nothing ends before it began. */
export function endOf({ startedAt }: { readonly startedAt: Instant }, world: World): Instant {
  return Math.max(startedAt, world.now()) as Instant
}

/** The row of a run that begins now. */
export function newRun(job: DesiredJob, start: RunStart, world: World): Run {
  return {
    id: world.newId() as RunId,
    job: job.id,
    ...start,
    status: 'running',
    instance: world.instance,
    startedAt: world.now(),
    finishedAt: null,
  }
}

export interface AttemptStart {
  readonly job: DesiredJob
  readonly source: DesiredSource
  readonly run: Run
  /** 1 for the first of its slot. */
  readonly attempt: number
  readonly fence: number
}

/** The row of an attempt that begins now. */
export function newBackup(
  { job, source, run, attempt, fence }: AttemptStart,
  world: World,
): Backup {
  return {
    id: world.newId() as BackupId,
    run: run.id,
    runName: run.name,
    job: job.id,
    organization: job.organization,
    app: job.app,
    source: source.name,
    sourceKind: source.kind,
    group: source.group,
    slot: run.slot,
    attempt,
    trigger: run.trigger,
    status: 'running',
    instance: world.instance,
    fence,
    startedAt: world.now(),
    finishedAt: null,
    storedBytes: null,
    contentBytes: null,
    error: null,
    warnings: [],
  }
}
