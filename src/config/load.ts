import { createHash } from 'node:crypto'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import type { Desired, Instant } from '../core/model.ts'
import { ConfigError } from '../lib/errors.ts'
import { ALIASES } from './aliases.ts'
import { checkSchema } from './check.ts'
import { commitOf } from './commit.ts'
import { readConfigFile, readConfigFileIfThere, shownPath } from './config-file.ts'
import { findConfig } from './discover.ts'
import { mergeSecrets } from './documents.ts'
import type { Faults } from './faults.ts'
import { collectFaults } from './faults.ts'
import { withoutHostSections, withoutVardoSecrets } from './foreign.ts'
import { withHiqliteSettings, withKeysOfRauthy } from './hiqlite-settings.ts'
import type { Environment } from './interpolate.ts'
import { parseConfig } from './parse.ts'
import { resolveConfig } from './resolve.ts'
import { rewrite } from './rewrite.ts'
import { readSchema } from './schema.ts'
import type { MapTree, Tree } from './tree.ts'
import { emptyMap, hiddenScalar, withEntry, withoutKeys } from './tree.ts'
import { readTwins } from './twins.ts'

const SECRETS = 'vardo.secrets.yml'

export interface LoadRequest {
  /** What `--config` says, or null: then it is looked for. */
  readonly path: string | null
  readonly env: Environment
  readonly cwd: string
  /** What schedules must fire after; now unless told. */
  readonly now?: Instant
  /**
   * What an unset variable and an unreadable secret file are: a fault, unless told. `leave` is for
   * looking at a file where its secrets are not, as a pull request's check does.
   */
  readonly unset?: 'fault' | 'leave'
  /** Where relative paths start; the folder of the file unless told. */
  readonly folder?: string
  /** Of this host, which names a node of a StatefulSet; asked of the system unless told. */
  readonly hostname?: string
}

/** A config that is not read from its file. */
export interface TextRequest extends Omit<LoadRequest, 'path'> {
  readonly text: string
  /** Absolute path that it has or would have: its name tells the syntax, its folder begins paths. */
  readonly path: string
}

/**
 * Finds, reads and checks the config. Throws `ConfigError` with every fault at once, in order of
 * place; never shows a secret.
 */
export async function loadConfig(request: LoadRequest): Promise<Desired> {
  const files = await readFiles(request)
  const commit = await commitOf(files.path, files.bytes, request.env)
  return load({ ...request, ...files, commit })
}

/**
 * The data_dir alone, past every fault that leaves it to be read: a daemon goes on by the config from
 * before while the file is broken, and can be asked. Throws `ConfigError` for what does not parse, and
 * where data_dir itself is at fault.
 */
export async function loadDataDir(request: LoadRequest): Promise<string> {
  const files = await readFiles(request)
  const read = { ...request, ...files, commit: null }
  const { desired, faults } = await readAll(read).catch((error: unknown) => {
    if (!(error instanceof ConfigError)) throw error
    // A secrets file that does not parse is one of those faults.
    return readAll({ ...read, secrets: null })
  })
  if (faults.has('data_dir')) faults.raise()
  return desired.dataDir
}

async function readFiles(
  request: LoadRequest,
): Promise<Pick<Loading, 'path' | 'bytes' | 'secrets'>> {
  const path = await findConfig(request)
  const bytes = await readConfigFile(path, shownPath(path, request.cwd))
  const beside = join(dirname(path), SECRETS)
  const secrets = await readConfigFileIfThere(beside, shownPath(beside, request.cwd))
  return { path, bytes, secrets }
}

/** The same for a text: neither a secrets file nor a commit belong to it. */
export async function loadConfigText(request: TextRequest): Promise<Desired> {
  const bytes = new TextEncoder().encode(request.text)
  return load({ ...request, bytes, secrets: 'none', commit: null })
}

interface Loading extends Omit<LoadRequest, 'path'> {
  readonly path: string
  readonly bytes: Uint8Array
  /** Null when there is no such file yet; `none` for a text that has no folder. */
  readonly secrets: Uint8Array | null | 'none'
  readonly commit: string | null
}

async function load(request: Loading): Promise<Desired> {
  const { desired, faults } = await readAll(request)
  faults.raise()
  return desired
}

/** What the file means as far as it can be told, and what is wrong with it. */
async function readAll(request: Loading): Promise<{ desired: Desired; faults: Faults }> {
  const { path, bytes, secrets, commit, env, cwd, unset = 'fault' } = request
  const faults = collectFaults(shownPath(path, cwd))
  const { folder = dirname(path) } = request
  // A secrets file that comes later is a change, too: it is watched before it is there.
  const files = secrets === 'none' ? [path] : [path, join(dirname(path), SECRETS)]
  const notices: string[] = []
  const notice = (text: string) => notices.push(text)

  const context = { env, unset, faults, folder, notice, read: (file: string) => files.push(file) }
  const written = withKeysOfRauthy(await parseAll(request, faults), faults)
  const hosted = await withHiqliteSettings(withoutHostSections(written, notice), {
    ...context,
    hostname: request.hostname ?? hostname(),
    path,
    hasFolder: secrets !== 'none',
  })
  const own = withSettings(hosted.config, env)
  const spelled = rewrite(own, readSchema(), context)
  const tree = asMap(await readTwins(spelled, readSchema(), context))
  await checkSchema(tree, faults)
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const desired = resolveConfig(tree, {
    folder,
    unset,
    faults,
    notices,
    notice,
    origin: { path, sha256, commit, files },
    now: request.now ?? (Date.now() as Instant),
    dockerHost: env.DOCKER_HOST || null,
    hiqlite: hosted.machine,
  })
  return { desired, faults }
}

/** The config and its secrets file as one. Throws when one of them does not parse. */
async function parseAll({ path, bytes, secrets, cwd }: Loading, faults: Faults): Promise<MapTree> {
  const place = { file: shownPath(path, cwd), line: 1, col: 1 }
  const config = await parseConfig(bytes, place.file, faults)
  const secretsFile = shownPath(join(dirname(path), SECRETS), cwd)
  const secret =
    typeof secrets === 'string' || secrets === null
      ? emptyMap(place)
      : await parseConfig(secrets, secretsFile, faults)
  if (config === null || secret === null) faults.raise()
  const own = withoutVardoSecrets(secret ?? emptyMap(place))
  return mergeSecrets(config ?? emptyMap(place), own, (key) => ALIASES[key]?.means ?? key)
}

/** The settings that the environment gives, over those of the file. */
function withSettings(tree: MapTree, env: Environment): MapTree {
  const settings = [
    ['state', 'HOLDFAST_STATE'],
    ['redis', 'HOLDFAST_REDIS_URL'],
  ] as const
  const own = withHttp(withInstance(tree, env), env)
  return settings.reduce((map, [key, variable]) => {
    const value = env[variable]
    if (value === undefined || value === '') return map
    const place = { file: variable, line: 0, col: 0 }
    const rest = withoutKeys(map, (other) => other === `${key}_file`)
    return withEntry(rest, key, { place, value: hiddenScalar(value, place) })
  }, own)
}

function withInstance(tree: MapTree, env: Environment): MapTree {
  const value = env.HOLDFAST_INSTANCE
  if (value === undefined || value === '') return tree
  const place = { file: 'HOLDFAST_INSTANCE', line: 0, col: 0 }
  const written = tree.entries.get('instance')?.value
  const block = written?.kind === 'map' ? written : emptyMap(place)
  const id = { place, value: hiddenScalar(value, place) }
  return withEntry(tree, 'instance', { place, value: withEntry(block, 'id', id) })
}

/** HOLDFAST_HTTP: `off`, or the address to listen on. */
function withHttp(tree: MapTree, env: Environment): MapTree {
  const value = env.HOLDFAST_HTTP
  if (value === undefined || value === '') return tree
  const place = { file: 'HOLDFAST_HTTP', line: 0, col: 0 }
  const written = tree.entries.get('http')?.value
  const block = written?.kind === 'map' ? written : emptyMap(place)
  const enabled = { place, value: hiddenScalar(value === 'off' ? 'false' : 'true', place) }
  const switched = withEntry(block, 'enabled', enabled)
  const listen = { place, value: hiddenScalar(value, place) }
  const own = value === 'off' ? switched : withEntry(switched, 'listen', listen)
  return withEntry(tree, 'http', { place, value: own })
}

function asMap(tree: Tree): MapTree {
  if (tree.kind !== 'map') throw new Error('a config is a map')
  return tree
}
