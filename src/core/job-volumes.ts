import { Secret } from '../lib/secret.ts'
import type { FoundVolume } from './apps.ts'
import { type AutoMade, autoJobId } from './auto-made.ts'
import type { Desired, DesiredJob, DesiredSource, JobId } from './model.ts'
import { sortedBy } from './order.ts'
import type { SeenApp } from './seen-apps.ts'

/** An app as a declared job might be about it. */
export type AppAbout = Pick<AutoMade, 'app' | 'organization' | 'name' | 'volumes'>

/**
 * The declared job, first by id, that is the app's: it names the app or holds anything that the app
 * keeps, or files archives under its name, or has the id that its auto job would have. Null when there
 * is none.
 */
export function coveringJob(
  about: AppAbout,
  seen: SeenApp | null,
  { jobs }: Pick<Desired, 'jobs'>,
): JobId | null {
  const found = seen?.found.volumes.filter(({ kind }) => kind === 'volume') ?? []
  const id = autoJobId(about)
  const folder = `${about.organization ?? 'system'}/${about.name}/`
  const isItsOwn = (source: DesiredSource) =>
    source.group.startsWith(folder) ||
    isOfApp(source, about) ||
    found.some((volume) => covers(source, about.app, volume))
  const job = sortedBy(jobs, (one) => one.id).find(
    (one) =>
      one.auto === undefined &&
      // One that runs nothing protects nothing, and ends no job that does.
      one.enabled &&
      one.targets.length > 0 &&
      (one.id === id || ((seen === null || runsOn(one, seen.words)) && one.sources.some(isItsOwn))),
  )
  return job?.id ?? null
}

/** Whether the source is about this app by name, all of it or one of these volumes. */
function isOfApp({ kind, options }: DesiredSource, { app, volumes }: AppAbout): boolean {
  if (kind !== 'volume' || options.app !== app) return false
  return typeof options.volume !== 'string' || volumes.includes(options.volume)
}

/** Whether a source takes what this volume of an app holds. */
export function covers(
  { kind, options }: DesiredSource,
  app: string,
  volume: Pick<FoundVolume, 'kind' | 'name' | 'dockerName' | 'others' | 'strategy' | 'persistent'>,
): boolean {
  if (kind === 'volume') {
    if (volume.kind !== 'volume') return false
    if (options.app === app) {
      // A source of a whole app takes what of it is persistent.
      if (typeof options.volume !== 'string') return volume.persistent.is === 'yes'
      return options.volume === volume.name || options.volume === volume.dockerName
    }
    return options.app === undefined && options.volume === volume.dockerName
  }
  const { strategy } = volume
  return (
    strategy.kind === 'dump' && strategy.database === kind && serves(options, strategy.container)
  )
}

/**
 * Whether options name this container, or an address whose host is called like it. The name of a service
 * is no proof: two apps may have one of the same name.
 */
export function serves({ container, url }: DesiredSource['options'], name: string): boolean {
  return container === name || (url instanceof Secret && hostOf(url) === name)
}

/**
 * Whether a source takes all that is in what it is about: of a server of databases it may be told to
 * take some, and what is made there later is in none of them.
 */
export function takesAll({ kind, options }: DesiredSource): boolean {
  if (kind === 'mysql' || kind === 'mariadb' || kind === 'mongo') {
    return options.databases === undefined || options.databases === 'all'
  }
  // `null` where `all` was told apart into its members.
  return kind !== 'postgres' || options.databases === 'all' || options.databases === null
}

function hostOf(url: Secret): string | null {
  const written = url.reveal()
  return URL.canParse(written) ? new URL(written).hostname : null
}

/** Whether an instance of these names and labels may run the job. */
export function runsOn({ on }: Pick<DesiredJob, 'on'>, words: readonly string[]): boolean {
  return on.length === 0 || on.some((one) => words.includes(one))
}
