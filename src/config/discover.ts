import { readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { ConfigError } from '../lib/errors.ts'
import { codeOf } from '../platform/files.ts'
import type { Environment } from './interpolate.ts'

const NAMES = ['vardo.yml', 'holdfast.yml', 'holdfast.toml', 'config.toml']

/** A `config.toml` is ours when it has one of our tables, or one that we understand. */
const OUR_TABLE = /^\s*\[+\s*(targets|jobs|organizations|notify|backup|hiqlite|cluster)\s*[.\]]/m

export interface Search {
  /** What `--config` says, or null. */
  readonly path: string | null
  readonly env: Environment
  readonly cwd: string
}

/**
 * The absolute path of the config: `--config`, else HOLDFAST_CONFIG, else the one that lies in
 * VARDO_CONFIG_DIR or the working directory, else in `systemFolder`. Throws `ConfigError` when a
 * folder has two, or there is none at all.
 */
export async function findConfig(
  { path, env, cwd }: Search,
  systemFolder = '/etc/holdfast',
): Promise<string> {
  const named = path || env.HOLDFAST_CONFIG || null
  if (named !== null) return resolve(cwd, named)
  const folder = resolve(cwd, env.VARDO_CONFIG_DIR || '.')
  for (const place of [folder, systemFolder]) {
    const found = await candidates(place)
    const [first, second] = found
    if (second !== undefined) throw twoConfigs(place, found)
    if (first !== undefined) return join(place, first)
  }
  throw noConfig(folder, systemFolder)
}

async function candidates(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder).catch((error: unknown): readonly string[] => {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return []
    throw error
  })
  const there = NAMES.filter((name) => names.includes(name))
  const isOurs = there.includes('config.toml') && (await hasOurTable(join(folder, 'config.toml')))
  return there.filter((name) => name !== 'config.toml' || isOurs)
}

async function hasOurTable(path: string): Promise<boolean> {
  const text = await readFile(path, 'utf8').catch(() => '')
  return OUR_TABLE.test(text)
}

function twoConfigs(folder: string, names: readonly string[]): ConfigError {
  const message = `there are two configs: ${names.join(', ')}`
  const hint = `say which one: holdfast --config ${join(folder, names[0] ?? '')}`
  return new ConfigError([{ at: folder, path: '', message, hint }])
}

function noConfig(folder: string, systemFolder: string): ConfigError {
  const message = `no config: none of ${NAMES.join(', ')} here or in ${systemFolder}`
  const hint = 'make one with: holdfast config init'
  return new ConfigError([{ at: folder, path: '', message, hint }])
}
