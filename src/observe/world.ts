import type { AutoMade } from '../core/auto-made.ts'
import { checkOptions, checksOf } from '../core/checks.ts'
import type { Event } from '../core/event.ts'
import type { KnownMembers } from '../core/members.ts'
import type {
  Desired,
  DesiredJob,
  DesiredSource,
  DesiredTarget,
  InstanceId,
  Instant,
  JobId,
  TargetId,
} from '../core/model.ts'
import { type Section, section } from '../core/section.ts'
import type { Surroundings } from '../core/surroundings.ts'
import type { Leases } from '../leases/lease.ts'
import type { SlotLock } from '../leases/slot-lock.ts'
import { Failure, NotAvailable } from '../lib/errors.ts'
import type { Source, SourceKind } from '../sources/source.ts'
import type { Store } from '../state/store.ts'
import type { Throttle } from '../stream/throttle.ts'
import type { Target, TargetKind } from '../targets/target.ts'
import type { Fleet } from './fleet.ts'
import { provePlace } from './place.ts'
import { uploadLog } from './uploads.ts'

/** All that the executors may touch. One parameter, so that nothing is ambient. */
export interface World {
  readonly desired: Desired
  /** What `desired` was made of, beside the file. */
  readonly seen: Seen
  /** The part of the config that decides about these jobs: what a plan of them alone needs. */
  readonly part: (jobs: ReadonlySet<JobId>) => Desired
  readonly now: () => Instant
  readonly newId: () => string
  readonly instance: InstanceId
  /** Of Holdfast itself; stands in each manifest. */
  readonly version: string
  readonly store: Store
  readonly leases: Leases
  /** Null where this instance is alone. */
  readonly fleet: Fleet | null
  /** Where a Vardo may be on the same Redis. */
  readonly slots?: SlotLock
  readonly plugins: Plugins
  /** Bounds what all streams together move, or null. */
  readonly throttle: Throttle | null
  readonly report: (event: Event) => void
  /** Bytes moved so far by a long work, as often as the stream likes. */
  readonly progress: (progress: Progress) => void
  readonly allowLocal: boolean
  /** True when `value` is not what was last told under `key`: keeps a lasting state from being logged each pass. */
  readonly news: (key: string, value: string) => boolean
}

/** What was seen beside the targets, and what was made of it. */
export interface Seen {
  /** Of all instances that look. */
  readonly surroundings: readonly Surroundings[]
  readonly autoMade: readonly AutoMade[]
  readonly members: KnownMembers
}

/** Nobody has looked. */
export const UNSEEN: Seen = { surroundings: [], autoMade: [], members: new Map() }

export interface Progress {
  /** `backup`, `verify`, `restore`. */
  readonly what: string
  readonly subject: string
  readonly bytes: number
  /** Expected in all, when it can be told. */
  readonly total: number | null
  readonly done: boolean
}

/** The registries: a kind is loaded when it is first used. */
export interface Plugins {
  readonly targets: ReadonlyMap<string, () => Promise<TargetKind>>
  readonly sources: ReadonlyMap<string, () => Promise<SourceKind>>
}

/** The target of that id, configured. Throws `NotAvailable` for a kind that is not built. */
export async function openTarget(world: World, id: TargetId): Promise<Target> {
  return configureTarget(world, declaredTarget(world.desired, id))
}

/** A declared target, configured: the same as `openTarget` for those who hold the declaration. */
export async function configureTarget(world: World, target: DesiredTarget): Promise<Target> {
  const load = world.plugins.targets.get(target.kind)
  if (!load) throw new NotAvailable(`target type ${target.kind}`, { at: `targets.${target.name}` })
  const kind = await load()
  const opened = kind.configure(section(`targets.${target.name}`, target.options), {
    allowLocal: world.allowLocal,
    dataDir: world.desired.dataDir,
    uploads: uploadLog(target.id, world.store, world.now),
    report: world.report,
  })
  if (world.fleet !== null && target.kind === 'local') {
    await provePlace({ id: target.id, target: opened, store: world.store, newId: world.newId })
  }
  return opened
}

/** A declared source, configured. Throws `NotAvailable` for a kind that is not built. */
export async function openSource(
  world: World,
  job: DesiredJob,
  source: DesiredSource,
): Promise<Source> {
  const load = world.plugins.sources.get(source.kind)
  if (!load)
    throw new NotAvailable(`source type ${source.kind}`, { at: `jobs.${job.name}.sources` })
  const kind = await load()
  return kind.configure(sectionOf(job, source, world.desired))
}

/** What a source is configured by: its options, the checks about it, and the engine that the file names for all. */
export function sectionOf(
  job: DesiredJob,
  source: Pick<DesiredSource, 'kind' | 'name' | 'options'>,
  { docker }: Pick<Desired, 'docker'>,
): Section {
  const { name, options } = source
  const checks = checkOptions(checksOf(job, source))
  const engine = docker === null ? {} : { docker: docker.host }
  return section(`jobs.${job.name}.sources.${name}`, { ...engine, ...options, ...checks })
}

/** The declaration of a target; a plan never names one that is not declared. */
export function declaredTarget(desired: Desired, id: TargetId): DesiredTarget {
  const target = desired.targets.find((one) => one.id === id)
  if (!target) throw new Failure('target_unknown', `no target ${id} is declared`)
  return target
}

/** The declaration of a job; a plan never names one that is not declared. */
export function declaredJob(desired: Desired, id: string): DesiredJob {
  const job = desired.jobs.find((one) => one.id === id)
  if (!job) throw new Failure('job_unknown', `no job ${id} is declared`)
  return job
}
