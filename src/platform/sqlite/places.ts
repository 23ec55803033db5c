import type { Stats } from 'node:fs'
import { lstat, realpath } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { isGone } from '../files.ts'

/** What SQLite keeps beside a database, by suffix of its name. */
export const SIDECARS = ['-wal', '-shm', '-journal'] as const

const MAX_NAME_BYTES = 255
/** Room for the longest sidecar of a file of ours. */
const SIDECAR_BYTES = 8

/**
 * The file that `path` means, links in it resolved: SQLite names the files beside a database after
 * this one. A link that leads nowhere stays what it is.
 */
export async function realFile(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    if (!isGone(error)) throw error
    const folder = await realpath(dirname(path)).catch(() => dirname(path))
    return join(folder, basename(path))
  }
}

/** The database and what lies beside it, as far as it exists. */
export async function partsOf(path: string): Promise<readonly string[]> {
  const parts = ['', ...SIDECARS].map((suffix) => path + suffix)
  const there = await Promise.all(parts.map(entryAt))
  return parts.filter((_, index) => there[index] !== null)
}

/** What is at that path, links not followed; null when it is nothing. */
export async function entryAt(path: string): Promise<Stats | null> {
  try {
    return await lstat(path)
  } catch (error) {
    if (isGone(error)) return null
    throw error
  }
}

/** Our own file beside `path`: `.app.db.holdfast-previous-<token>`, never longer than a name may be. */
export function ownPath(
  path: string,
  role: 'staging' | 'previous' | 'probe',
  token: string,
): string {
  const end = `.holdfast-${role}-${token}`
  const room = MAX_NAME_BYTES - SIDECAR_BYTES - 1 - Buffer.byteLength(end)
  let base = basename(path)
  while (Buffer.byteLength(base) > room) base = base.slice(0, -1)
  return join(dirname(path), `.${base}${end}`)
}
