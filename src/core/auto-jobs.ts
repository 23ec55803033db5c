import { appSource, keptVolumes } from './app-sources.ts'
import { type AutoMade, autoJobId, endOf, fileName, type Made, settleMade } from './auto-made.ts'
import type { Ignore } from './docker-settings.ts'
import { isInForce } from './docker-settings.ts'
import { coveringJob } from './job-volumes.ts'
import type { Desired, DesiredJob, Instant } from './model.ts'
import { byText, sortedBy } from './order.ts'
import { appsOf, type SeenApp } from './seen-apps.ts'
import type { Surroundings } from './surroundings.ts'

export type { AutoMade } from './auto-made.ts'

export interface AutoRequest {
  /** As the file declares it, without jobs of this making. */
  readonly desired: Pick<Desired, 'jobs' | 'docker' | 'apps' | 'auto' | 'ignore' | 'instances'>
  /** Of every instance that told. */
  readonly surroundings: readonly Surroundings[]
  /** What the state remembers. */
  readonly made: readonly AutoMade[]
  readonly now: Instant
}

/** What the config knows, and a decision does not need to. */
export interface JobMaking {
  finish(job: Omit<DesiredJob, 'fingerprint' | 'facts'>): DesiredJob
  /** Numbers from 0 to 255, the same for a text at all times. */
  seed(text: string): readonly number[]
}

/**
 * The jobs that apps get by themselves, and what to remember of them. A job is made for an app that
 * keeps data, has a target to go to and no job of the file. It stays when the app goes: its slots
 * fail then, for silence would look like safety. It ends when a declared job covers the app, or the
 * file leaves the app alone, and is not made again. Fed its own result, it gives the same.
 */
export function autoJobs(
  { desired, surroundings, made, now }: AutoRequest,
  making: JobMaking,
): { readonly jobs: readonly DesiredJob[]; readonly made: readonly AutoMade[] } {
  const { auto } = desired
  // Switched off, nothing is made and nothing ends: switched on again, all goes on.
  if (auto === null) return { jobs: [], made: inOrder(made) }
  const seen = appsOf(surroundings, desired)
  const ignores = desired.ignore.filter((one) => isInForce(one, now))
  const before = settleMade(made, seen, surroundings).map((one) => goOn(one, desired, ignores))
  const taken = new Set(before.flatMap(({ app }) => (app === null ? [] : [app])))
  const all: Made[] = [...before]
  for (const app of seen) {
    if (taken.has(app) || !isOwed(app, desired, ignores)) continue
    all.push({ app, entry: newEntry(app, all, { ignores, now }) })
  }
  const several = desired.instances > 1 || new Set(surroundings.map((one) => one.instance)).size > 1
  const jobs = all
    .filter(({ entry }) => entry.ended === null && entry.volumes.length > 0)
    .flatMap((one) => jobOf(one, { desired, making, several }))
  return {
    jobs: sortedBy(jobs, ({ id }) => id),
    made: inOrder(all.map(({ entry }) => entry)),
  }
}

/** What becomes of a job that was made before. */
function goOn(
  { entry, app }: Made,
  desired: AutoRequest['desired'],
  ignores: readonly Ignore[],
): Made {
  if (entry.ended !== null || desired.auto === null) return { entry, app }
  const declared = desired.apps.find(({ name }) => name === entry.app)
  const own = { ...entry, organization: declared?.organization ?? null }
  const by = coveringJob(own, app, desired)
  const ended = endOf(own, { auto: desired.auto, ignores, by })
  const volumes =
    ended === null
      ? keptVolumes(own.volumes, { app: own.app, found: app?.found ?? null }, ignores)
      : own.volumes
  return { app, entry: { ...own, volumes, ended } }
}

/** Whether an app that has no job of this making gets one. */
function isOwed(
  app: SeenApp,
  desired: AutoRequest['desired'],
  ignores: readonly Ignore[],
): boolean {
  const { auto } = desired
  const { organization, found } = app
  const template = auto?.templates.find((one) => one.organization === organization)
  if (auto === null || template === undefined || template.targets.length === 0) return false
  const about = { app: found.name, organization, name: found.name, volumes: [] }
  const by = coveringJob(about, app, desired)
  return (
    keptVolumes([], { app: found.name, found }, ignores).length > 0 &&
    endOf(about, { auto, ignores, by }) === null
  )
}

interface NewEntry {
  readonly ignores: readonly Ignore[]
  readonly now: Instant
}

/** Two engines may have an app of the same name: the second is filed under its instance, too. */
function newEntry(app: SeenApp, others: readonly Made[], { ignores, now }: NewEntry): AutoMade {
  const { organization, engine } = app
  const [instance = ''] = app.instances
  const { name } = app.found
  const beside = others.filter(({ entry }) => entry.organization === organization)
  const taken = new Set(beside.map(({ entry }) => entry.name))
  return {
    app: name,
    organization,
    instance,
    engine,
    name: taken.has(name) ? fileName(name, instance, taken) : name,
    madeAt: now,
    volumes: keptVolumes([], { app: name, found: app.found }, ignores),
    ended: null,
  }
}

interface Setting {
  readonly desired: AutoRequest['desired']
  readonly making: JobMaking
  readonly several: boolean
}

function jobOf({ entry, app }: Made, { desired, making, several }: Setting): readonly DesiredJob[] {
  const { organization, name, volumes } = entry
  const template = desired.auto?.templates.find((one) => one.organization === organization)
  if (template === undefined) return []
  const job = making.finish({
    ...template,
    id: autoJobId(entry),
    name: `auto-${name}`,
    title: `Auto: ${name}`,
    schedule: { cron: cronOf(name, desired, making), timezone: 'UTC' },
    sources: volumes.map((volume) => appSource(volume, entry, desired)),
    app: name,
    on: several ? [...new Set([entry.instance, ...(app?.instances ?? [])])].toSorted(byText) : [],
    auto: { app: entry.app, instance: entry.instance },
  })
  return [job]
}

function cronOf(name: string, { auto }: AutoRequest['desired'], { seed }: JobMaking): string {
  if (auto?.stagger !== true) return '0 2 * * *'
  const [minute = 0, hour = 2] = seed(name)
  return `${minute % 60} ${hour % 6} * * *`
}

function inOrder(made: readonly AutoMade[]): readonly AutoMade[] {
  return sortedBy(made, ({ organization, app, instance }) =>
    JSON.stringify([organization ?? '', app, instance]),
  )
}
