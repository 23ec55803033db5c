import type { Instant } from './model.ts'

/** What one instance sees beside its targets. JSON keeps all of it: it is a fact of the state. */
export interface Surroundings {
  /** Name of the instance. */
  readonly instance: string
  /** What the instance is called besides: a job may ask for it by these. */
  readonly labels: readonly string[]
  readonly at: Instant
  /** Null: it is not told to look. */
  readonly docker: DockerSeen | { readonly error: string } | null
}

/** A Docker engine, as far as discovery looks at it. */
export interface DockerSeen {
  /** What the engine calls itself: two instances that see the same id see the same engine. Empty: not known. */
  readonly engine: string
  /** Its address, as `unix:///var/run/docker.sock`. */
  readonly host: string
  readonly version: string
  readonly volumes: readonly VolumeSeen[]
  /** Those that do not run, too. */
  readonly containers: readonly ContainerSeen[]
}

export interface VolumeSeen {
  readonly name: string
  readonly driver: string
  readonly labels: Labels
  /** Where the engine's machine has it. */
  readonly mountpoint: string
}

export interface ContainerSeen {
  readonly id: string
  readonly name: string
  readonly image: string
  readonly labels: Labels
  /** As the engine says: `running`, `paused`, `exited`, … */
  readonly state: string
  /** Whether it is a task of a Swarm service. */
  readonly isService: boolean
  readonly mounts: readonly MountSeen[]
  /** The words of its environment that `wordsOf` lets through. */
  readonly words: Labels
}

export interface MountSeen {
  /** `volume`, `bind`, `tmpfs`, or what newer engines add. */
  readonly kind: string
  /** Name of the volume, or null. */
  readonly volume: string | null
  /** Where the engine's machine has it. */
  readonly source: string
  readonly destination: string
  readonly isWritable: boolean
}

export type Labels = Readonly<Record<string, string>>

/** The names that say what a database or a backup tool does, and are no secret. */
const WORDS = new Set([
  'POSTGRES_USER',
  'POSTGRES_DB',
  'POSTGRESQL_DATABASE',
  'PGDATA',
  'MYSQL_DATABASE',
  'MARIADB_DATABASE',
  'MONGO_INITDB_DATABASE',
  'TZ',
  'BACKUP_CRON_EXPRESSION',
  'BACKUP_RETENTION_DAYS',
  'BACKUP_EXCLUDE_REGEXP',
  'BACKUP_STOP_DURING_BACKUP_LABEL',
  'BACKUP_STOP_CONTAINER_LABEL',
  'BACKUP_CRON',
  'CRON_SCHEDULE',
  'RESTIC_BACKUP_SOURCES',
  'RESTIC_FORGET_ARGS',
  'RESTIC_KEEP_DAILY',
  'RESTIC_KEEP_WEEKLY',
  'RESTIC_KEEP_MONTHLY',
  'RESTIC_KEEP_YEARLY',
])

/** What of a container's environment is kept: names that are known to hold no secret. */
export function wordsOf(environment: Labels): Labels {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => WORDS.has(name)))
}

/** Whether processes live in it: a paused one holds its volumes as much as a running one. */
export function isUp({ state }: ContainerSeen): boolean {
  return state === 'running' || state === 'paused' || state === 'restarting'
}

/** The engine that an instance looked at, or null. */
export function dockerOf({ docker }: Surroundings): DockerSeen | null {
  return docker === null || 'error' in docker ? null : docker
}

/** What was kept of an instance's surroundings; null when it is not that, or of another version. */
export function parseSurroundings(text: string): Surroundings | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  return isSurroundings(value) ? value : null
}

type Check = (value: unknown) => boolean

const isText: Check = (value) => typeof value === 'string'
const isFlag: Check = (value) => typeof value === 'boolean'
const isTextOrNull: Check = (value) => value === null || isText(value)
const isLabels: Check = (value) => isMap(value) && Object.values(value).every(isText)
const isVolume = has({ name: isText, driver: isText, labels: isLabels, mountpoint: isText })
const isMount = has({
  kind: isText,
  volume: isTextOrNull,
  source: isText,
  destination: isText,
  isWritable: isFlag,
})
const isContainer = has({
  id: isText,
  name: isText,
  image: isText,
  labels: isLabels,
  state: isText,
  isService: isFlag,
  mounts: listOf(isMount),
  words: isLabels,
})
const isDocker = has({
  engine: isText,
  host: isText,
  version: isText,
  volumes: listOf(isVolume),
  containers: listOf(isContainer),
})

function isSurroundings(value: unknown): value is Surroundings {
  return has({
    instance: isText,
    labels: listOf(isText),
    at: Number.isSafeInteger,
    docker: (docker) => docker === null || has({ error: isText })(docker) || isDocker(docker),
  })(value)
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function has(checks: Readonly<Record<string, Check>>): Check {
  return (value) =>
    isMap(value) && Object.entries(checks).every(([key, check]) => check(value[key]))
}

function listOf(check: Check): Check {
  return (value) => Array.isArray(value) && value.every(check)
}
