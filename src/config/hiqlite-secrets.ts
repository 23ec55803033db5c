import { resolve } from 'node:path'
import { messageOf } from '../lib/errors.ts'
import { readTextFile } from '../platform/files.ts'
import { complain, type HiqliteContext } from './hiqlite-context.ts'
import type { MapTree, Place, Tree } from './tree.ts'
import { hiddenScalar, joinPath, withEntry } from './tree.ts'

/** Variables that hold a list, an item in each line. */
const LISTS = ['nodes', 'enc_keys']

/** Keys of use here whose value may stand in the secrets file. */
const SECRETS = ['s3_key', 's3_secret', 'enc_keys', 'enc_key_active']
/** What a key says whose value stands in the secrets file. */
export const REFERENCE = '$SECRETS'
/** What a secret is called that could not be read, and was complained about. */
export const UNKNOWN = 'unknown'
const LARGEST_FILE = 2 ** 20

/** Whether the key holds a list, which a variable has an item of in each line. */
export function isList(key: string): boolean {
  return LISTS.includes(key)
}

/** The table with what it leaves to its secrets file: the same keys in the table of the same name. */
export async function withSecrets(
  table: MapTree,
  name: string,
  context: HiqliteContext,
): Promise<MapTree> {
  // Without a bucket none of them is of use here, and the file may be there for Hiqlite alone.
  const url = table.entries.get('s3_url')?.value
  if (url?.kind !== 'scalar' || url.value === '') return table
  const wanted = SECRETS.filter((key) => isReference(table.entries.get(key)?.value))
  if (wanted.length === 0) return table
  const secrets = await readSecretsFile(table, name, context)
  return wanted.reduce((map, key) => {
    const entry = map.entries.get(key)
    const found = secrets?.entries.get(key)?.value
    if (entry === undefined) return map
    if (found !== undefined) return withEntry(map, key, { ...entry, value: hidden(found) })
    if (secrets !== null) {
      const message = `is ${REFERENCE}, and the secrets file has no "${key}" in [${name}]`
      complain(context, entry.value.place, joinPath(name, key), message)
    }
    return withEntry(map, key, { ...entry, value: unknownSecret(key, entry.place) })
  }, table)
}

/** The table of the same name in the secrets file; null, and a fault, when there is none. */
async function readSecretsFile(
  table: MapTree,
  name: string,
  context: HiqliteContext,
): Promise<MapTree | null> {
  const named = table.entries.get('secrets_file')?.value
  const path = joinPath(name, 'secrets_file')
  if (named?.kind !== 'scalar' || typeof named.value !== 'string' || named.value === '') {
    const message = `a key is ${REFERENCE}, and no secrets file is named`
    complain(context, named?.place ?? table.place, path, message)
    return null
  }
  const file = resolve(context.folder, named.value)
  context.read(file)
  try {
    const text = await readTextFile(file, LARGEST_FILE)
    const { parseToml } = await import('./toml.ts')
    const root = parseToml(text, file, context.faults)
    if (root === null) return null
    const found = root.kind === 'map' ? root.entries.get(name)?.value : undefined
    if (found?.kind === 'map') return found
    complain(context, named.place, path, `the secrets file has no table [${name}]`)
  } catch (error) {
    complain(context, named.place, path, `cannot read the secrets file: ${messageOf(error)}`)
  }
  return null
}

/** Stands in for what cannot be read, so that nothing else finds fault with it. */
function unknownSecret(key: string, place: Place): Tree {
  const unknown = hiddenScalar(UNKNOWN, place)
  return isList(key) ? { kind: 'list', items: [unknown], place } : unknown
}

function isReference(tree: Tree | undefined): boolean {
  return tree?.kind === 'scalar' && tree.value === REFERENCE
}

/** Never shown: it was not written where faults point at. */
function hidden(tree: Tree): Tree {
  switch (tree.kind) {
    case 'scalar':
      return { ...tree, hidden: true }
    case 'list':
      return { ...tree, items: tree.items.map(hidden) }
    case 'map':
      return tree
  }
}
