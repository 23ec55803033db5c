import { isAnonymous } from './app-names.ts'
import { isIgnored } from './app-sources.ts'
import type { FoundVolume } from './apps.ts'
import { type Bare, bareDatabases } from './bare-databases.ts'
import { isWithin } from './database-images.ts'
import { type Ignore, isInForce } from './docker-settings.ts'
import { covers, runsOn, serves, takesAll } from './job-volumes.ts'
import { livingSources } from './members.ts'
import type { Desired, DesiredJob, DesiredSource, Instant, JobId } from './model.ts'
import { sortedBy } from './order.ts'
import { type OtherTool, otherTools } from './other-tools.ts'
import { appsOf, enginesOf, type SeenApp, type SeenEngine } from './seen-apps.ts'
import type { Surroundings } from './surroundings.ts'
import { twinsOf } from './twin-volumes.ts'
import { linesFor } from './unprotected-lines.ts'

/** What of all that is seen is protected, what is left alone, and what is neither: each by kind and name. */
export interface Coverage {
  readonly protected: readonly (Subject & { readonly job: JobId })[]
  readonly ignored: readonly (Subject & { readonly reason: string; readonly day: string | null })[]
  readonly unprotected: readonly Unprotected[]
  /** How many engines somebody looked at. With none, nothing is known. */
  readonly engines: number
  /** What other backup tools on the engines are told to do, as lines of this config. */
  readonly tools: readonly OtherTool[]
  /** Instances that could not look: of what they would see, nothing is known. */
  readonly unseen: readonly { readonly instance: string; readonly error: string }[]
}

/** Something that holds data. */
export interface Subject {
  readonly kind: 'volume' | 'bind' | 'database'
  /** As the engine calls it: a volume, a path, a container. */
  readonly name: string
  /** Where several instances look, who sees it first; else null. */
  readonly instance: string | null
  readonly app: string | null
  /** What the app calls it. */
  readonly logical: string
  /** Names of the containers that use it, sorted. */
  readonly users: readonly string[]
  /** `tar`, or the kind of database that is dumped. */
  readonly strategy: string
}

export interface Unprotected extends Subject {
  readonly why: string
  /** To be written into the config. */
  readonly lines: readonly string[]
}

/** What coverage goes by; jobs that were made by themselves count among the jobs. */
export type Covering = Pick<Desired, 'targets' | 'jobs' | 'docker' | 'apps' | 'auto' | 'ignore'>

/**
 * Sorts all data that somebody sees. Null where no discovery is asked for: whoever does not look must
 * not be told that nothing is unprotected.
 */
export function coverage(
  desired: Covering,
  surroundings: readonly Surroundings[],
  now: Instant,
): Coverage | null {
  if (desired.docker === null || desired.docker.discover === false) return null
  const isSeveral = new Set(surroundings.map(({ instance }) => instance)).size > 1
  const looks = { desired, ignores: desired.ignore.filter((one) => isInForce(one, now)), isSeveral }
  const verdicts = [
    ...appsOf(surroundings, desired).flatMap((app) => [
      ...app.found.volumes.map((volume) => ofVolume(volume, app, looks)),
      ...twinsOf(app.found).map((twin) => ofVolume(twin, app, looks)),
    ]),
    ...enginesOf(surroundings).flatMap((engine) =>
      bareDatabases(engine, desired).map((bare) => ofDatabase(bare, looks)),
    ),
    ...enginesOf(surroundings).flatMap((engine) => looseVolumes(engine, looks)),
  ]
  const inOrder = sortedBy(verdicts, ({ subject: { kind, name, instance } }) =>
    JSON.stringify([KINDS.indexOf(kind), name, instance ?? '']),
  )
  return {
    protected: inOrder.flatMap((one) =>
      one.kind === 'protected' ? [{ ...one.subject, job: one.job }] : [],
    ),
    ignored: inOrder.flatMap(({ subject, ...one }) =>
      one.kind === 'ignored' ? [{ ...subject, reason: one.reason, day: one.day }] : [],
    ),
    unprotected: inOrder.flatMap(({ subject, ...one }) =>
      one.kind === 'unprotected' ? [{ ...subject, why: one.why, lines: one.lines }] : [],
    ),
    engines: enginesOf(surroundings).length,
    tools: enginesOf(surroundings).flatMap(({ docker }) => otherTools(docker, desired)),
    unseen: surroundings.flatMap(({ instance, docker }) =>
      docker !== null && 'error' in docker ? [{ instance, error: docker.error }] : [],
    ),
  }
}

const KINDS = ['volume', 'bind', 'database'] as const

type Verdict = { readonly subject: Subject } & (
  | { readonly kind: 'protected'; readonly job: JobId }
  | { readonly kind: 'ignored'; readonly reason: string; readonly day: string | null }
  | { readonly kind: 'unprotected'; readonly why: string; readonly lines: readonly string[] }
)

interface Looks {
  readonly desired: Covering
  readonly ignores: readonly Ignore[]
  readonly isSeveral: boolean
}

function ofVolume(volume: FoundVolume, app: SeenApp, looks: Looks): Verdict {
  const { strategy } = volume
  const subject: Subject = {
    kind: volume.kind,
    name: volume.dockerName,
    instance: looks.isSeveral ? (app.instances[0] ?? null) : null,
    app: app.found.name,
    logical: volume.name,
    users: volume.users,
    strategy: strategy.kind === 'tar' ? 'tar' : strategy.database,
  }
  const ignored = ignoredBy(volume, app, looks.ignores)
  if (ignored !== null) return { subject, kind: 'ignored', ...ignored }
  const takes = (source: DesiredSource) =>
    covers(source, app.found.name, volume) || isFolderOf(source, volume)
  return judge(subject, { app, volume, takes, ...looks })
}

function ofDatabase(
  { container, service, app, database, words, instances }: Bare,
  looks: Looks,
): Verdict {
  const subject: Subject = {
    kind: 'database',
    name: container,
    instance: looks.isSeveral ? (instances[0] ?? null) : null,
    app,
    logical: service,
    users: [container],
    strategy: database,
  }
  const ignored = looks.ignores.find(
    ({ kind, name }) =>
      (kind === 'database' && (name === container || name === `${app}/${service}`)) ||
      (kind === 'app' && name === app),
  )
  if (ignored) return { subject, kind: 'ignored', reason: ignored.reason, day: ignored.day }
  const takes = ({ kind, options }: DesiredSource) =>
    kind === database && serves(options, container)
  return judge(subject, { app: { words }, volume: null, takes, ...looks })
}

/** Nobody named them, and nobody uses them: what a container of the past left behind. */
function looseVolumes({ docker, instances }: SeenEngine, { isSeveral }: Looks): readonly Verdict[] {
  const used = new Set(
    docker.containers.flatMap(({ mounts }) => mounts.map(({ volume }) => volume)),
  )
  return docker.volumes
    .filter((one) => isAnonymous(one) && !used.has(one.name))
    .map(({ name }) => ({
      subject: {
        kind: 'volume',
        name,
        instance: isSeveral ? (instances[0] ?? null) : null,
        app: null,
        logical: name,
        users: [],
        strategy: 'tar',
      },
      kind: 'ignored',
      reason: 'nobody named it, and no container uses it',
      day: null,
    }))
}

interface Judging extends Looks {
  readonly app: Pick<SeenApp, 'words'>
  readonly volume: FoundVolume | null
  /** Whether a source is about it. */
  readonly takes: (source: DesiredSource) => boolean
}

/**
 * A job protects when it is enabled, goes somewhere, an instance that sees the data may run it, and
 * what it takes is all of it.
 */
function judge(subject: Subject, { app, volume, takes, desired }: Judging): Verdict {
  const taking = desired.jobs.flatMap((job) => {
    const sources = livingSources(job).filter(takes)
    return sources.length === 0 ? [] : [{ job, sources }]
  })
  const jobs = sortedBy(taking, ({ job }) => job.id)
  const good = jobs.find((one) => weaknessOf(one, app.words) === null)
  if (good !== undefined) return { subject, kind: 'protected', job: good.job.id }
  const [weakest] = jobs
  const weakness = weakest && weaknessOf(weakest, app.words)
  const why = weakness ?? whyNot(subject, volume)
  const weak = weakest && { job: weakest.job, takesAll: weakest.sources.some(takesAll) }
  return { subject, kind: 'unprotected', why, lines: linesFor(subject, { weak, volume, desired }) }
}

interface Taking {
  readonly job: DesiredJob
  readonly sources: readonly DesiredSource[]
}

function weaknessOf({ job, sources }: Taking, words: readonly string[]): string | null {
  if (!job.enabled) return `job ${job.id} is disabled`
  if (job.targets.length === 0) return `job ${job.id} has no target`
  if (!runsOn(job, words)) return `job ${job.id} runs on ${job.on.join(', ')} only`
  return sources.some(takesAll) ? null : `job ${job.id} takes only some of its databases`
}

function whyNot({ kind }: Subject, volume: FoundVolume | null): string {
  if (kind === 'bind') return 'no job takes this folder of the machine'
  if (volume === null) return 'no job dumps it, and its data is on no volume'
  const { is, why } = volume.persistent
  return is === 'yes' ? 'no job takes it' : `no job takes it: ${why}`
}

/** A directory source of the machine itself takes the whole folder, or one that it lies in. */
function isFolderOf(
  { kind, options }: DesiredJob['sources'][number],
  volume: FoundVolume,
): boolean {
  return (
    kind === 'directory' &&
    volume.kind === 'bind' &&
    typeof options.path === 'string' &&
    isWithin(volume.dockerName, options.path)
  )
}

function ignoredBy(
  volume: FoundVolume,
  { found }: SeenApp,
  ignores: readonly Ignore[],
): { readonly reason: string; readonly day: string | null } | null {
  const { strategy, dockerName } = volume
  const entry = ignores.find((one) => {
    if (one.kind === 'app') return one.name === found.name
    if (one.kind === 'path') return volume.kind === 'bind' && isWithin(dockerName, one.name)
    if (one.kind === 'volume') return isIgnored(volume, found.name, [one])
    if (strategy.kind !== 'dump') return false
    return one.name === strategy.container || one.name === `${found.name}/${strategy.service}`
  })
  if (entry) return { reason: entry.reason, day: entry.day }
  return volume.persistent.is === 'no' ? { reason: volume.persistent.why, day: null } : null
}
