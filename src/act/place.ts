import { standsApart } from '../core/archive-key.ts'
import type { Manifest } from '../core/manifest.ts'
import type { DesiredJob, DesiredSource, JobId, Options } from '../core/model.ts'
import { section } from '../core/section.ts'
import { NotAvailable, RestoreFailed } from '../lib/errors.ts'
import { openSource, type World } from '../observe/world.ts'
import type { Source } from '../sources/source.ts'
import type { Archive } from './archive.ts'

/** A job and one of its sources, as declared. */
export interface Place {
  readonly job: DesiredJob
  readonly source: DesiredSource
}

/** The job that has the backups of a job of that name; null when it is not declared any more. */
export function placeOfJob(jobId: JobId, { desired }: World): DesiredJob | null {
  return desired.jobs.find(({ id, renamedFrom }) => id === jobId || renamedFrom === jobId) ?? null
}

/** Where backups of a source go back to; null when it is not declared any more. */
export function placeOf(jobId: JobId, sourceName: string, world: World): Place | null {
  const job = placeOfJob(jobId, world)
  const source = job?.sources.find(({ name }) => name === sourceName)
  return job && source ? { job, source } : null
}

/** Kinds of sources that take archives of an innermost layer; the first one also without a declaration. */
const KINDS_OF_LAYER: Readonly<Record<string, readonly [string, ...string[]]>> = {
  tar: ['directory', 'volume'],
  sqlite: ['sqlite', 'hiqlite'],
  pgdump: ['postgres'],
  sql: ['postgres', 'mysql', 'mariadb'],
  raw: ['command', 'mongo'],
}

function kindsOf({ layers }: Pick<Archive, 'layers'>): readonly [string, ...string[]] {
  return KINDS_OF_LAYER[layers[0] ?? ''] ?? ['command']
}

/** A manifest that names what is not declared here is no licence to choose something else. */
export function placeNamed({ key, job, source }: Manifest, world: World): Place {
  const place = placeOf(job, source.name, world)
  if (place) return place
  throw new RestoreFailed(
    `${key} is a backup of ${job}/${source.name}, which is not declared here`,
    {
      at: key,
      hint: `declare it, with renamed_from: ${job} if it has another name now; or move the manifest away to restore by the content alone`,
    },
  )
}

/** The place of an archive without a manifest: the only declared source that could take it. */
export async function onlyFitting(archive: Archive, world: World): Promise<Place> {
  const places: Place[] = []
  for (const job of world.desired.jobs) {
    for (const source of job.sources) {
      if (await takes({ job, source }, archive, world)) places.push({ job, source })
    }
  }
  // A name of Hiqlite's belongs to Hiqlite, whatever else could take a database.
  const hiqlites = isHiqliteName(archive.name) ? places.filter(isOfHiqlite) : []
  const [only, ...others] = hiqlites.length > 0 ? hiqlites : places
  if (only && others.length === 0) return only
  const names = places.map(({ job, source }) => `${job.id}/${source.name}`)
  const which =
    names.length === 0
      ? `no ${kindsOf(archive).join(' or ')} source is declared`
      : `it may belong to ${names.join(' or ')}`
  throw new RestoreFailed(`nothing beside ${archive.name} says whose it is, and ${which}`, {
    at: archive.name,
    hint: 'keep its .manifest.json beside it, or declare a single source of that type',
  })
}

/** By its kind; of a program its options tell whether it gives a stream or a folder. */
async function takes({ job, source }: Place, archive: Archive, world: World): Promise<boolean> {
  if (source.kind !== 'command') return kindsOf(archive).includes(source.kind)
  return (await openSource(world, job, source)).layer === archive.layers[0]
}

function isOfHiqlite({ source }: Place): boolean {
  return source.kind === 'hiqlite'
}

function isHiqliteName(name: string): boolean {
  return standsApart(name.slice(name.lastIndexOf('/') + 1))
}

/**
 * Into a volume that is named goes whatever is a tree of files, wherever it came from; into a database
 * a dump of PostgreSQL alone.
 */
export async function sourceFor(
  archive: Archive,
  place: Place | null,
  to: string | null,
  world: World,
): Promise<Source> {
  const kind = place?.source.kind ?? kindOf(archive, to)
  if (isDatabase(to) && kind !== 'postgres') {
    throw new RestoreFailed(
      `${archive.name} is no dump of PostgreSQL, which a database could take`,
      {
        at: archive.name,
        hint: 'name a path with --to; or a volume with --to-volume, for a tree of files',
      },
    )
  }
  const declared = place ? await openSource(world, place.job, place.source) : null
  if (!to?.startsWith('volume:') || kind === 'volume') {
    return declared ?? (await sourceOf(archive, kind, world))
  }
  if (archive.layers[0] !== 'tar') {
    throw new RestoreFailed(`${archive.name} is no tree of files, which a volume could take`)
  }
  const load = world.plugins.sources.get('volume')
  if (!load) throw new NotAvailable('source type volume')
  const options = { volume: to.slice('volume:'.length), docker: world.desired.docker?.host ?? null }
  return (await load()).configure(section(archive.name, options))
}

/** A source for an archive whose own is not declared any more: enough to restore it elsewhere. */
async function sourceOf(archive: Archive, kind: string, world: World): Promise<Source> {
  const load = world.plugins.sources.get(kind)
  if (!load) throw new NotAvailable(`source type ${kind}`)
  return (await load()).configure(section(archive.name, OPTIONS_FOR[kind] ?? { path: NOWHERE }))
}

/** Of a server's dump its own kind, for no other knows it; a tree of files is one whoever made it. */
function kindOf(archive: Archive, to: string | null): string {
  const [usual] = kindsOf(archive)
  const type = archive.manifest?.source.type ?? usual
  const isTree = archive.layers[0] === 'tar' && !isDatabase(to)
  return type in OPTIONS_FOR && !isTree ? type : usual
}

function isDatabase(to: string | null): boolean {
  return to?.startsWith('database:') ?? false
}

const NOWHERE = '/nonexistent/holdfast'
/** What kinds that have no path have to be told; the server of a database is the one of the environment. */
const OPTIONS_FOR: Readonly<Record<string, Options>> = {
  command: { backup: ['true'] },
  postgres: {},
  mysql: { container: 'none' },
  mariadb: { container: 'none' },
  mongo: { container: 'none' },
}
