import { dirname, join } from 'node:path'
import { parseEnv } from 'node:util'
import { zoneFault } from '../core/zone.ts'
import { messageOf } from '../lib/errors.ts'
import { codeOf, readTextFile } from '../platform/files.ts'
import type { Faults } from './faults.ts'
import { complain, type HiqliteContext } from './hiqlite-context.ts'
import { isList, REFERENCE, withSecrets } from './hiqlite-secrets.ts'
import type { Environment } from './interpolate.ts'
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
  backup_keep_for: 'HQL_BACKUP_KEEP_FOR',
  backup_keep_for_local: 'HQL_BACKUP_KEEP_FOR_LOCAL',
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

const RESTORE = 'HQL_BACKUP_RESTORE'
const LARGEST_FILE = 2 ** 20

/** What is known of Hiqlite beside its table. */
export interface HiqliteMachine {
  /** Local zone of this process: Hiqlite reads its schedule in its own. */
  readonly timezone: string
  readonly skipValidation: boolean
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
  if (table === undefined || entry?.value.kind !== 'map') {
    return { config, machine: { timezone: 'UTC', skipValidation: false } }
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
    },
  }
}

/** Rauthy keeps the keys of its backups in a section of their own: they become the table's. */
export function withKeysOfRauthy(config: MapTree, faults: Faults): MapTree {
  const cluster = config.entries.get('cluster')
  const encryption = config.entries.get('encryption')?.value
  if (cluster?.value.kind !== 'map' || encryption?.kind !== 'map') return config
  const keys = encryption.entries.get('keys')
  const active = encryption.entries.get('key_active')
  let table = cluster.value
  if (keys !== undefined) {
    table = withEntry(table, 'enc_keys', keys)
    faults.rename('cluster.enc_keys', 'encryption.keys')
  }
  if (active !== undefined) {
    table = withEntry(table, 'enc_key_active', active)
    faults.rename('cluster.enc_key_active', 'encryption.key_active')
  }
  return withEntry(config, 'cluster', { ...cluster, value: table })
}

/** As Hiqlite, a `.env` never wins over what is set; ours lies beside the config. */
async function withDotEnv(context: HiqliteContext): Promise<Environment> {
  const { env, path, read, faults } = context
  const file = join(dirname(path), '.env')
  read(file)
  const text = await readTextFile(file, LARGEST_FILE).catch((error: unknown) => {
    if (codeOf(error) !== 'ENOENT') {
      faults.add({ file, line: 0, col: 0 }, '', `cannot be read: ${messageOf(error)}`)
    }
    return ''
  })
  const written = parseEnv(text)
  if (written[RESTORE]) {
    // Nobody can take it out of a file: Hiqlite would find it there after a restore of ours.
    const message = 'stands in a file that each start reads: set it in the environment of one start'
    complain(context, { file, line: 0, col: 0 }, RESTORE, message)
  }
  const set = Object.entries(env).filter(([, value]) => value !== undefined && value !== '')
  return { ...written, ...Object.fromEntries(set) }
}

function withVariables(table: MapTree, env: Environment): MapTree {
  return Object.entries(HIQLITE_VARIABLES).reduce((map, [key, variable]) => {
    const text = env[variable]
    if (text === undefined || text === '') return map
    const place: Place = { file: variable, line: 0, col: 0 }
    const value =
      isList(key) && text !== REFERENCE ? listOf(text, place) : hiddenScalar(text, place)
    return withEntry(map, key, { place, value })
  }, table)
}

function listOf(text: string, place: Place): Tree {
  const lines = text.split('\n').map((line) => line.trim())
  const items = lines.filter((line) => line !== '').map((line) => hiddenScalar(line, place))
  return { kind: 'list', items, place }
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
