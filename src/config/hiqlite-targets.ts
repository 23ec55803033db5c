import { join } from 'node:path'
import type { DesiredTarget } from '../core/model.ts'
import type { Block } from './block.ts'
import { blockOf, fault, placeOf, text } from './block.ts'
import { UNKNOWN } from './hiqlite-secrets.ts'
import { HIQLITE_VARIABLES } from './hiqlite-settings.ts'
import { targetOf } from './resolve-targets.ts'
import { readSchema } from './schema.ts'
import type { Entry, ScalarTree } from './tree.ts'

/** Keys of the table that a bucket cannot do without, and what our own targets call them. */
const NEEDED = {
  s3_bucket: 'bucket',
  s3_region: 'region',
  s3_key: 'access_key_id',
  s3_secret: 'secret_access_key',
} as const

/** The folder in which Hiqlite keeps its own backups. */
export function hiqliteLocal(table: Block): DesiredTarget {
  const path = join(text(table, 'data_dir') ?? '', 'state_machine', 'backups')
  const entries = { type: entryOf('local', table), path: entryOf(path, table) }
  return targetFrom(table, 'hiqlite-local', entries)
}

/** The bucket of the table, or null when it names no address of one. */
export function hiqliteS3(table: Block): DesiredTarget | null {
  const url = text(table, 's3_url')
  if (url === null || url === '') return null
  const known = URL.canParse(url) ? new URL(url) : null
  if (known === null || !['http:', 'https:'].includes(known.protocol)) {
    fault(table, 's3_url', 'must be an address that begins with http:// or https://')
  }
  const entries: Record<string, Entry> = {
    type: entryOf('s3', table),
    endpoint: entryOf(url, table),
  }
  for (const [key, ours] of Object.entries(NEEDED)) {
    const value = text(table, key) ?? ''
    if (value === '') missing(table, key)
    entries[ours] = entryOf(value === '' ? UNKNOWN : value, table)
  }
  const pathStyle = table.tree.entries.get('s3_path_style')
  if (pathStyle !== undefined) entries.path_style = pathStyle
  return targetFrom(table, 'hiqlite-s3', entries)
}

/** A fault for a key that a bucket needs, or a notice where secrets are allowed to be elsewhere. */
export function missing(table: Block, key: string): void {
  const { unset, faults, notice } = table.context
  const message = `"${key}" is missing, and a bucket needs it`
  const path = `${table.path}.${key}`
  const hint = `set it, or ${HIQLITE_VARIABLES[key]}`
  if (unset === 'leave') notice(`${path}: ${message}; taken as unknown`)
  else faults.add(placeOf(table, 's3_url'), path, message, hint)
}

/** A target as if it were declared among ours, so that all its other keys are at their defaults. */
function targetFrom(
  table: Block,
  name: string,
  entries: Readonly<Record<string, Entry>>,
): DesiredTarget {
  const tree = {
    kind: 'map',
    entries: new Map(Object.entries(entries)),
    place: table.place,
  } as const
  const schema = readSchema().$defs?.target ?? {}
  const block = blockOf({ path: table.path, place: table.place, tree, schema }, table.context)
  if (block === null) throw new Error('a target is a map')
  return targetOf(block, { id: name, name, organization: null, isDefault: false })
}

function entryOf(value: string, { place }: Block): Entry {
  const scalar: ScalarTree = { kind: 'scalar', value, place, hidden: false }
  return { place, value: scalar }
}
