import { iso, keyTimestamp } from '../lib/time.ts'
import { groupOf } from './group.ts'
import type { DesiredJob, DesiredSource, GroupId, Instant } from './model.ts'

const MANIFEST = '.manifest.json'
const PIN = '.pin.json'

/** What Hiqlite calls its backups; its clean-up deletes whatever else it finds beside them. */
const HIQLITE_NAME = /^backup_node_\d+_\d+\.sqlite$/
/**
 * Hiqlite names its own backup after the second in which the same cron pattern fires, and would
 * replace one of ours that has the name: ours is called half a minute later.
 */
const AFTER_HIQLITE = 30
/** Where everything of ours stands that belongs to an archive of such a name. */
export const ASIDE = '.holdfast/'

/** What tells one folder of a local target from another, where several instances share it. */
export const PLACE_KEY = `${ASIDE}place`

type JobNames = Pick<DesiredJob, 'name' | 'app' | 'organization' | 'path' | 'renamedFrom'>
type SourceNames = Pick<DesiredSource, 'name' | 'group'>

/** Where the archives of a source stand unless its job has a `path`: its group and `/`. */
export function groupPrefix(source: SourceNames): string {
  return `${source.group}/`
}

/**
 * Key of a new archive, from the target's root on: `{org}/{app}/{source}/{timestamp}{ext}`, or the
 * job's own template with the extension after it, which one that ends in `.sqlite` has already.
 * Dates are those of UTC.
 */
export function archiveKey(
  job: JobNames,
  source: SourceNames,
  startedAt: Instant,
  extension: string,
): string {
  if (job.path === null) return groupPrefix(source) + keyTimestamp(startedAt) + extension
  const [yyyy = '', mm = '', dd = ''] = iso(startedAt).slice(0, 10).split('-')
  const unix = String(Math.floor(startedAt / 1000) + AFTER_HIQLITE)
  const dates = { timestamp: keyTimestamp(startedAt), unix, yyyy, mm, dd }
  const key = fill(job.path, { ...names(job, source), ...dates })
  return key.endsWith('.sqlite') ? key : key + extension
}

/** The longest beginning that every archive of the source shares, whenever it was made. */
export function listPrefix(job: JobNames, source: SourceNames): string {
  if (job.path === null) return groupPrefix(source)
  const [fixed = ''] = job.path.split(/\{(?:timestamp|unix|yyyy|mm|dd)\}/, 1)
  return fill(fixed, names(job, source))
}

/** Every prefix to list for a source: that of today, and those of the name its job had before. */
export function listPrefixes(job: JobNames, source: SourceNames): readonly string[] {
  const former = formerGroup(job, source)
  const own = listPrefix(job, source)
  const aside = own.startsWith('backup_node_') ? [ASIDE + own] : []
  return former === null
    ? [own, ...aside]
    : [own, ...aside, `${former}/`, formerListPrefix(job, source)]
}

/** Whether what belongs to an archive stands apart from it: Hiqlite's folder is Hiqlite's. */
export function standsApart(archive: string): boolean {
  return HIQLITE_NAME.test(archive)
}

/** The group that a renamed job's archives were made under, or null when the name is no part of it. */
export function formerGroup(job: JobNames, source: SourceNames): GroupId | null {
  if (job.renamedFrom === null || job.app !== null) return null
  const { organization, app, renamedFrom } = job
  return groupOf({ organization, app, job: renamedFrom, source: source.name })
}

/** Key of the manifest beside an archive. */
export function manifestKey(archive: string): string {
  return besideOf(archive) + MANIFEST
}

/** Key of the pin beside an archive. */
export function pinKey(archive: string): string {
  return besideOf(archive) + PIN
}

/** The archive that a manifest of this key would speak of, or null when it is no manifest's key. */
export function archiveOfManifest(key: string): string | null {
  return stem(key, MANIFEST)
}

/** Whether `key` is that of the manifest beside `archive`; makes no text, for listings of any length. */
export function isManifestOf(archive: string, key: string): boolean {
  const fits = key.length === archive.length + MANIFEST.length
  return fits && key.endsWith(MANIFEST) && key.startsWith(archive)
}

/** The archive that a pin of this key would keep, or null when it is no pin's key. */
export function archiveOfPin(key: string): string | null {
  return stem(key, PIN)
}

/** Whether a key may be an archive's: neither a manifest's nor a pin's. */
export function isArchiveKey(key: string): boolean {
  return archiveOfManifest(key) === null && archiveOfPin(key) === null
}

function stem(key: string, suffix: string): string | null {
  if (key.length <= suffix.length || !key.endsWith(suffix)) return null
  const name = key.slice(0, -suffix.length)
  const apart = name.startsWith(ASIDE) ? name.slice(ASIDE.length) : name
  return standsApart(apart) ? apart : name
}

function besideOf(archive: string): string {
  return standsApart(archive) ? ASIDE + archive : archive
}

function formerName(job: JobNames): string {
  return job.renamedFrom?.split('/').at(-1) ?? job.name
}

function formerListPrefix(job: JobNames, source: SourceNames): string {
  return listPrefix({ ...job, name: formerName(job) }, source)
}

function names(job: JobNames, source: SourceNames): Readonly<Record<string, string>> {
  return {
    org: job.organization ?? 'system',
    app: job.app ?? job.name,
    job: job.name,
    source: source.name,
  }
}

/** One pass, so that a value that looks like a placeholder stays what it is. */
function fill(template: string, values: Readonly<Record<string, string>>): string {
  return template.replaceAll(/\{(\w+)\}/g, (written, name: string) => values[name] ?? written)
}
