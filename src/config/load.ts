import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { dirname, isAbsolute, join, relative } from 'node:path'
import type { Desired, Instant } from '../core/model.ts'
import { ConfigError, messageOf } from '../lib/errors.ts'
import { formatBytes } from '../lib/size.ts'
import { codeOf } from '../platform/files.ts'
import { ALIASES } from './aliases.ts'
import { checkSchema } from './check.ts'
import { commitOf } from './commit.ts'
import { findConfig } from './discover.ts'
import { mergeDocuments, mergeSecrets } from './documents.ts'
import type { Faults } from './faults.ts'
import { collectFaults } from './faults.ts'
import { withoutHostSections, withoutVardoSecrets } from './foreign.ts'
import type { Environment } from './interpolate.ts'
import { resolveConfig } from './resolve.ts'
import { rewrite } from './rewrite.ts'
import { configSchema } from './schema.ts'
import { parseToml } from './toml.ts'
import type { MapTree, Tree } from './tree.ts'
import { hiddenScalar, withEntry, withoutKeys } from './tree.ts'
import { readTwins } from './twins.ts'
import { parseYaml } from './yaml.ts'

const LARGEST_CONFIG = 10 * 2 ** 20
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
  const path = await findConfig(request)
  const bytes = await readConfig(path, shown(path, request.cwd))
  const secretsPath = join(dirname(path), SECRETS)
  const secrets = await readIfThere(secretsPath, shown(secretsPath, request.cwd))
  const commit = await commitOf(path, bytes, request.env)
  return load({ ...request, path, bytes, secrets, commit })
}

/** The same for a text: neither a secrets file nor a commit belong to it. */
export async function loadConfigText(request: TextRequest): Promise<Desired> {
  const bytes = new TextEncoder().encode(request.text)
  return load({ ...request, bytes, secrets: null, commit: null })
}

interface Loading extends Omit<LoadRequest, 'path'> {
  readonly path: string
  readonly bytes: Uint8Array
  readonly secrets: Uint8Array | null
  readonly commit: string | null
}

async function load(request: Loading): Promise<Desired> {
  const { path, bytes, secrets, commit, env, cwd, unset = 'fault' } = request
  const faults = collectFaults(shown(path, cwd))
  const folder = dirname(path)
  const files = secrets === null ? [path] : [path, join(folder, SECRETS)]
  const notices: string[] = []
  const notice = (text: string) => notices.push(text)

  const written = parseAll(request, faults)
  faults.raise()
  const own = withSettings(withoutHostSections(written, notice), env)
  const context = { env, unset, faults, folder, notice, read: (file: string) => files.push(file) }
  const spelled = rewrite(own, configSchema(), context)
  const tree = asMap(await readTwins(spelled, configSchema(), context))
  await checkSchema(tree, faults)
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const desired = resolveConfig(tree, {
    folder,
    faults,
    notices,
    origin: { path, sha256, commit, files },
    now: request.now ?? (Date.now() as Instant),
  })
  faults.raise()
  return desired
}

/** The config and its secrets file as one. */
function parseAll({ path, bytes, secrets, cwd }: Loading, faults: Faults): MapTree {
  const config = parse(bytes, path, shown(path, cwd), faults)
  if (secrets === null) return config
  const secretsPath = join(dirname(path), SECRETS)
  const secret = parse(secrets, secretsPath, shown(secretsPath, cwd), faults)
  return mergeSecrets(config, withoutVardoSecrets(secret), (key) => ALIASES[key]?.means ?? key)
}

function parse(bytes: Uint8Array, path: string, file: string, faults: Faults): MapTree {
  const text = decode(bytes, file)
  const documents = syntaxOf(path, text, file, faults)
  if (documents !== null && documents.length === 0) {
    const hint = 'make one with: holdfast config init'
    faults.add({ file, line: 0, col: 0 }, '', 'is empty', hint)
  }
  return mergeDocuments(documents ?? [], file, faults)
}

function syntaxOf(
  path: string,
  text: string,
  file: string,
  faults: Faults,
): readonly Tree[] | null {
  try {
    if (!path.endsWith('.toml')) return parseYaml(text, file, faults)
    const tree = parseToml(text, file, faults)
    const isEmpty = tree?.kind === 'map' && tree.entries.size === 0
    return tree === null ? null : isEmpty ? [] : [tree]
  } catch (error) {
    // The parsers call themselves for each level.
    if (!(error instanceof RangeError)) throw error
    faults.add({ file, line: 0, col: 0 }, '', 'is nested too deep')
    return null
  }
}

function decode(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw single(file, 'is not UTF-8 text')
  }
}

/** The settings that the environment gives, over those of the file. */
function withSettings(tree: MapTree, env: Environment): MapTree {
  const settings = [
    ['state', 'HOLDFAST_STATE'],
    ['redis', 'HOLDFAST_REDIS_URL'],
  ] as const
  return settings.reduce((map, [key, variable]) => {
    const value = env[variable]
    if (value === undefined || value === '') return map
    const place = { file: variable, line: 0, col: 0 }
    const rest = withoutKeys(map, (other) => other === `${key}_file`)
    return withEntry(rest, key, { place, value: hiddenScalar(value, place) })
  }, tree)
}

function asMap(tree: Tree): MapTree {
  if (tree.kind !== 'map') throw new Error('a config is a map')
  return tree
}

async function readConfig(path: string, file: string): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  let size = 0
  try {
    // By reading, not by size: a pipe has none. One byte more than allowed tells that it is too large.
    for await (const piece of createReadStream(path, { end: LARGEST_CONFIG })) {
      pieces.push(piece)
      size += piece.length
    }
  } catch (error) {
    throw single(file, `cannot be read: ${reasonOf(error)}`)
  }
  if (size > LARGEST_CONFIG) throw single(file, `is larger than ${formatBytes(LARGEST_CONFIG)}`)
  return Buffer.concat(pieces)
}

function reasonOf(error: unknown): string {
  switch (codeOf(error)) {
    case 'ENOENT':
      return 'there is no such file'
    case 'EISDIR':
      return 'it is a directory'
    case 'EACCES':
      return 'permission denied'
    default:
      return messageOf(error)
  }
}

async function readIfThere(path: string, file: string): Promise<Uint8Array | null> {
  try {
    return await readConfig(path, file)
  } catch (error) {
    if (error instanceof ConfigError && error.message.includes('no such file')) return null
    throw error
  }
}

function single(file: string, message: string): ConfigError {
  return new ConfigError([{ at: file, path: '', message, hint: null }])
}

/** The path as a person would write it from `cwd`. */
function shown(path: string, cwd: string): string {
  const short = relative(cwd, path)
  return short.startsWith('..') || isAbsolute(short) ? path : short
}
