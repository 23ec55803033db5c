import type { DesiredJob, Instant } from './model.ts'

/** The Docker engine that an instance works with, as declared. */
export interface DockerSettings {
  /** `unix:///var/run/docker.sock`, or `tcp://host:2375`. */
  readonly host: string
  /** Whether apps are looked for; `all`: each of their volumes counts as persistent. */
  readonly discover: boolean | 'all'
}

/** An app that the file names. */
export interface DesiredApp {
  readonly organization: string | null
  readonly name: string
  /** By the volume's name in the app. Null: none is named, and all of them count. */
  readonly volumes: ReadonlyMap<string, VolumeSettings> | null
}

/** How a volume is treated. */
export interface VolumeSettings {
  readonly persistent: boolean
  readonly strategy: 'auto' | 'tar' | 'dump'
  readonly exclude: readonly string[]
  readonly stop: boolean
  readonly pause: boolean
}

/** Jobs that are made for apps that have none. */
export interface AutoSettings {
  /** Spread over the first hours of the day, instead of all at 02:00. */
  readonly stagger: boolean
  /** Apps that get none. */
  readonly except: readonly string[]
  /** One for the top level (`organization` null) and one for each organization. */
  readonly templates: readonly AutoTemplate[]
}

/** What an auto job has whatever its app is. */
export type AutoTemplate = Omit<
  DesiredJob,
  'id' | 'name' | 'title' | 'schedule' | 'sources' | 'app' | 'on' | 'auto' | 'fingerprint' | 'facts'
>

/** Something that is seen and not to be protected. */
export interface Ignore {
  readonly kind: 'volume' | 'path' | 'database' | 'app'
  /** A volume's name, or `app/volume`; an absolute path; a container, or `app/service`; an app. */
  readonly name: string
  readonly reason: string
  /** The first instant at which it does not count any more, or null. */
  readonly until: Instant | null
  /** As written, or null. */
  readonly day: string | null
}

/** Whether the entry counts at `now`. */
export function isInForce({ until }: Ignore, now: Instant): boolean {
  return until === null || now < until
}

/** What of the config discovery goes by. */
export interface DiscoverySettings {
  readonly docker: DockerSettings | null
  readonly apps: readonly DesiredApp[]
}
