import { createReadStream } from 'node:fs'
import { isAbsolute, relative } from 'node:path'
import { ConfigError, messageOf } from '../lib/errors.ts'
import { formatBytes } from '../lib/size.ts'
import { codeOf } from '../platform/files.ts'

const LARGEST_CONFIG = 10 * 2 ** 20

/** The bytes of a config, at most 10 MiB. Throws `ConfigError` naming the file as `shown`. */
export async function readConfigFile(path: string, shown: string): Promise<Uint8Array> {
  const bytes = await readConfigFileIfThere(path, shown)
  if (bytes === null) {
    const hint = `make one with: holdfast config init ${shown}`
    throw faultOf(shown, 'cannot be read: there is no such file', hint)
  }
  return bytes
}

/** The same, and null when there is no such file. */
export async function readConfigFileIfThere(
  path: string,
  shown: string,
): Promise<Uint8Array | null> {
  const pieces: Uint8Array[] = []
  let size = 0
  try {
    // By reading, not by size: a pipe has none. One byte more than allowed tells that it is too large.
    for await (const piece of createReadStream(path, { end: LARGEST_CONFIG })) {
      pieces.push(piece)
      size += piece.length
    }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw faultOf(shown, `cannot be read: ${reasonOf(error)}`, `ls -ld ${shown}`)
  }
  if (size > LARGEST_CONFIG) {
    const limit = formatBytes(LARGEST_CONFIG)
    throw faultOf(shown, `is larger than ${limit}`, 'a config is a few hundred lines')
  }
  return Buffer.concat(pieces)
}

/** The path as a person in `cwd` would write it. */
export function shownPath(path: string, cwd: string): string {
  const short = relative(cwd, path)
  return short.startsWith('..') || isAbsolute(short) ? path : short
}

function reasonOf(error: unknown): string {
  switch (codeOf(error)) {
    case 'EISDIR':
      return 'it is a directory'
    case 'EACCES':
      return 'permission denied'
    default:
      return messageOf(error)
  }
}

function faultOf(at: string, message: string, hint: string): ConfigError {
  return new ConfigError([{ at, path: '', message, hint }])
}
