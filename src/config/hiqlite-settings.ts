import { dirname, join, resolve } from 'node:path'
import { parseEnv } from 'node:util'
import { zoneFault } from '../core/zone.ts'
import { messageOf } from '../lib/errors.ts'
import { codeOf, readTextFile } from '../platform/files.ts'
import type { Faults } from './faults.ts'
import type { Environment } from './interpolate.ts'
import { parseToml } from './toml.ts'
import type { MapTree, Place, Tree } from './tree.ts'
import { hiddenScalar, joinPath, withEntry } from './tree.ts'

/** What Hiqlite and Rauthy call the table that is Hiqlite's. */
export const HIQLITE_TABLES = ['hiqlite', 'cluster'] as const

/** The variable that wins over each key that is about backups (SEEDS §2.1). */
export const HIQLITE_VARIABLES: Readonly<Record<string, string>> = {
  data_dir: 'HQL_DATA_DIR',
  filename_db: 'HQL_FILENAME_DB',
  node_id: 'HQL_NODE_ID',
  node_id_from: 'HQL_NODE_ID_FROM',
  nodes: 'HQL_NODES',
  backup_cron: 'HQL_BACKUP_CRON',
  backup_keep_days: 'HQL_BACKUP_KEEP_DAYS',
  backup_keep_days_local: 'HQL_BACKUP_KEEP_DAYS_LOCAL',
  s3_url: 'HQL_S3_URL',
  s3_bucket: 'HQL_S3_BUCKET',
  s3_region: 'HQL_S3_REGION',
  s3_path_style: 'HQL_S3_PATH_STYLE',
  s3_key: 'HQL_S3_KEY',
  s3_secret: 'HQL_S3_SECRET',
  enc_keys: 'ENC_KEYS',
  enc_key_active: 'ENC_KEY_ACTIVE',
  secrets_file: 'HQL_SECRETS_FILE',
}

/** Variables that hold a list, an item in each line. */
const LISTS = ['nodes', 'enc_keys']

/** Keys of use here whose value may stand in the secrets file. */
const SECRETS = ['s3_key', 's3_secret', 'enc_keys', 'enc_key_active']
const REFERENCE = '$SECRETS'
/** What a secret is called that could not be read, and was complained about. */
export const UNKNOWN = 'unknown'
const LARGEST_FILE = 2 ** 20

/** What is known of Hiqlite beside its table. */
export interface HiqliteMachine {
  /** Local zone of this process: Hiqlite reads its schedule in its own. */
  readonly timezone: string
  readonly skipValidation: boolean
  /** What a secret is that is not here: a fault, or left unknown. */
  readonly unset: 'fault' | 'leave'
  notice(text: string): void
}

export interface HiqliteContext {
  readonly env: Environment
  readonly hostname: string
  /** Absolute path of the config. */
  readonly path: string
  /** Where relative paths start. */
  readonly folder: string
  /** Whether a `.env` beside the config counts. */
  readonly hasFolder: boolean
  readonly unset: 'fault' | 'leave'
  readonly faults: Faults
  notice(text: string): void
  /** Hears of each file that is named, absolute. */
  read(path: string): void
}

/**
 * The config with Hiqlite's table as Hiqlite itself would see it: the environment wins over the file,
 * a `.env` beside the file fills up the environment, `$SECRETS` is looked up, and the node's number
 * is read off the host's name where the table says so.
 */
export async function withHiqliteSettings(
  config: MapTree,
  context: HiqliteContext,
): Promise<{ readonly config: MapTree; readonly machine: HiqliteMachine }> {
  const table = HIQLITE_TABLES.find((name) => config.entries.get(name)?.value.kind === 'map')
  const entry = table === undefined ? undefined : config.entries.get(table)
  const { unset, notice } = context
  if (table === undefined || entry?.value.kind !== 'map') {
    return { config, machine: { timezone: 'UTC', skipValidation: false, unset, notice } }
  }
  const env = context.hasFolder ? await withDotEnv(context) : context.env
  const set = withVariables(entry.value, env)
  const secret = await withSecrets(set, table, context)
  const value = withNodeOfHost(secret, table, context)
  return {
    config: withEntry(config, table, { ...entry, value }),
    machine: {
      timezone: localZone(env),
      skipValidation: env.HQL_BACKUP_SKIP_VALIDATION === 'true',
      unset,
      notice,
    },
  }
}

/** Rauthy keeps the keys of its backups in a section of their own: they become the table's. */
export function withKeysOfRauthy(config: MapTree): MapTree {
  const cluster = config.entries.get('cluster')
  const encryption = config.entries.get('encryption')?.value
  if (cluster?.value.kind !== 'map' || encryption?.kind !== 'map') return config
  const keys = encryption.entries.get('keys')
  const active = encryption.entries.get('key_active')
  let table = cluster.value
  if (keys !== undefined) table = withEntry(table, 'enc_keys', keys)
  if (active !== undefined) table = withEntry(table, 'enc_key_active', active)
  return withEntry(config, 'cluster', { ...cluster, value: table })
}

/** As Hiqlite, a `.env` never wins over what is set; ours lies beside the config. */
async function withDotEnv({ env, path, read, faults }: HiqliteContext): Promise<Environment> {
  const file = join(dirname(path), '.env')
  read(file)
  const text = await readTextFile(file, LARGEST_FILE).catch((error: unknown) => {
    if (codeOf(error) !== 'ENOENT') {
      faults.add({ file, line: 0, col: 0 }, '', `cannot be read: ${messageOf(error)}`)
    }
    return ''
  })
  const set = Object.entries(env).filter(([, value]) => value !== undefined && value !== '')
  return { ...parseEnv(text), ...Object.fromEntries(set) }
}

function withVariables(table: MapTree, env: Environment): MapTree {
  return Object.entries(HIQLITE_VARIABLES).reduce((map, [key, variable]) => {
    const text = env[variable]
    if (text === undefined || text === '') return map
    const place: Place = { file: variable, line: 0, col: 0 }
    const isList = LISTS.includes(key) && text !== REFERENCE
    const value = isList ? listOf(text, place) : hiddenScalar(text, place)
    return withEntry(map, key, { place, value })
  }, table)
}

function listOf(text: string, place: Place): Tree {
  const lines = text.split('\n').map((line) => line.trim())
  const items = lines.filter((line) => line !== '').map((line) => hiddenScalar(line, place))
  return { kind: 'list', items, place }
}

async function withSecrets(
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

function complain(
  { unset, notice, faults }: HiqliteContext,
  place: Place,
  path: string,
  message: string,
): void {
  if (unset === 'leave') notice(`${path}: ${message}; taken as unknown`)
  else faults.add(place, path, message)
}

/** Stands in for what cannot be read, so that nothing else finds fault with it. */
function unknownSecret(key: string, place: Place): Tree {
  const unknown = hiddenScalar(UNKNOWN, place)
  return LISTS.includes(key) ? { kind: 'list', items: [unknown], place } : unknown
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

/** A StatefulSet's hosts are called `name-0`, `name-1`, …; the first node is 1. */
function withNodeOfHost(table: MapTree, name: string, context: HiqliteContext): MapTree {
  const from = table.entries.get('node_id_from')
  if (from?.value.kind !== 'scalar' || from.value.value !== 'k8s') return table
  const [, ordinal] = /-(\d+)$/.exec(context.hostname) ?? []
  if (ordinal === undefined) {
    const message = `is "k8s", and no number ends the name of this host, ${context.hostname}`
    complain(context, from.value.place, joinPath(name, 'node_id_from'), message)
  }
  const number = ordinal === undefined ? 1 : Number(ordinal) + 1
  const { place } = from.value
  return withEntry(table, 'node_id', {
    place,
    value: { kind: 'scalar', value: number, place, hidden: false },
  })
}

/** As the C library takes it: TZ, with or without its colon, else the machine's zone, else UTC. */
function localZone(env: Environment): string {
  const set = env.TZ?.replace(/^:/, '') ?? ''
  const zone = set === '' ? Intl.DateTimeFormat().resolvedOptions().timeZone : set
  return zoneFault(zone) === null ? zone : 'UTC'
}
