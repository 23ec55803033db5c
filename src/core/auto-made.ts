import type { AutoSettings, Ignore } from './docker-settings.ts'
import type { Instant, JobId } from './model.ts'
import { sortedBy } from './order.ts'
import type { SeenApp } from './seen-apps.ts'
import { dockerOf, type Surroundings } from './surroundings.ts'

/** What the state remembers of a job that was made for an app. */
export interface AutoMade {
  readonly app: string
  readonly organization: string | null
  /** Name of the instance that sees the app. */
  readonly instance: string
  /** Id of the engine that has it. */
  readonly engine: string
  /** What its archives are filed under, and its job is called after: the app, or that and the instance. */
  readonly name: string
  readonly madeAt: Instant
  /** By the names that the app has for them, sorted. */
  readonly volumes: readonly string[]
  readonly ended: AutoEnd | null
}

/** Why a job is not made any more. */
export type AutoEnd =
  | { readonly why: 'replaced'; readonly by: JobId }
  | { readonly why: 'ignored'; readonly reason: string }
  | { readonly why: 'excepted' }

/** Id of the job that was made. */
export function autoJobId({ organization, name }: Pick<AutoMade, 'organization' | 'name'>): JobId {
  return (organization === null ? `auto-${name}` : `${organization}/auto-${name}`) as JobId
}

/** What is remembered, with the app that it is about; null where nobody sees it. */
export interface Made {
  readonly entry: AutoMade
  readonly app: SeenApp | null
}

/**
 * Finds the app of each entry: on the engine where it was, else where its instance sees it now, else,
 * if its instance looked and sees none, on whichever other engine has it: it has moved.
 */
export function settleMade(
  made: readonly AutoMade[],
  seen: readonly SeenApp[],
  surroundings: readonly Surroundings[],
): readonly Made[] {
  const looked = new Set(
    surroundings.filter((one) => dockerOf(one) !== null).map(({ instance }) => instance),
  )
  const taken = new Set<SeenApp>()
  const found = new Map<AutoMade, SeenApp>()
  const passes: readonly ((entry: AutoMade, app: SeenApp) => boolean)[] = [
    (entry, { engine }) => engine === entry.engine,
    (entry, { instances }) => instances.includes(entry.instance),
    (entry) => looked.has(entry.instance),
  ]
  const entries = sortedBy(made, ({ app, instance }) => JSON.stringify([app, instance]))
  for (const isIt of passes) {
    for (const entry of entries) {
      if (found.has(entry)) continue
      const app = seen.find(
        (one) => one.found.name === entry.app && !taken.has(one) && isIt(entry, one),
      )
      if (app === undefined) continue
      taken.add(app)
      found.set(entry, app)
    }
  }
  return entries.map((entry) => {
    const app = found.get(entry) ?? null
    return { app, entry: app === null ? entry : placed(entry, app) }
  })
}

function placed(entry: AutoMade, { instances, engine }: SeenApp): AutoMade {
  const isThere = instances.includes(entry.instance)
  return { ...entry, engine, instance: isThere ? entry.instance : (instances[0] ?? entry.instance) }
}

/** What may end a job. */
export interface Ending {
  readonly auto: AutoSettings
  /** Those in force. */
  readonly ignores: readonly Ignore[]
  /** The declared job that covers the app. */
  readonly by: JobId | null
}

/** Why it ends now, or null. */
export function endOf(
  { app }: Pick<AutoMade, 'app'>,
  { auto, ignores, by }: Ending,
): AutoEnd | null {
  if (by !== null) return { why: 'replaced', by }
  const ignored = ignores.find(({ kind, name }) => kind === 'app' && name === app)
  if (ignored) return { why: 'ignored', reason: ignored.reason }
  return auto.except.includes(app) ? { why: 'excepted' } : null
}

/** A name that no other job has. */
export function fileName(app: string, instance: string, taken: ReadonlySet<string>): string {
  const fit = `${app}-${instance.replaceAll(/[^A-Za-z0-9._-]+/g, '-')}`
  for (let number = 2; ; number++) {
    const name = number === 2 ? fit : `${fit}-${number}`
    if (!taken.has(name)) return name
  }
}

/** What the state kept; nothing of it that is of another version. */
export function parseAutoMade(text: string): readonly AutoMade[] {
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) ? value.filter(isMade) : []
  } catch {
    return []
  }
}

function isMade(value: unknown): value is AutoMade {
  if (typeof value !== 'object' || value === null) return false
  const { app, organization, instance, engine, name, madeAt, volumes, ended } = value as AutoMade
  return (
    [app, instance, engine, name].every((one) => typeof one === 'string') &&
    (organization === null || typeof organization === 'string') &&
    Number.isSafeInteger(madeAt) &&
    Array.isArray(volumes) &&
    (ended === null || typeof ended?.why === 'string')
  )
}
