import { lstat, opendir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { isGone } from '../../platform/files.ts'
import { isOwnFolder, type OwnRole } from './excludes.ts'

/** The device that holds `path`, or the nearest folder above it that exists. */
export async function deviceOf(path: string): Promise<number> {
  try {
    return (await lstat(path)).dev
  } catch (error) {
    if (!isGone(error) || dirname(path) === path) throw error
    return deviceOf(dirname(path))
  }
}

const MAX_NAME_BYTES = 255

/**
 * The name of our folder of that `role` for `base`: `.app.holdfast-previous-<token>` beside it, or
 * without a base, inside it, `.holdfast-previous-<token>`. Never longer than a name may be.
 */
export function ownName(role: OwnRole, token: string, base: string | null): string {
  const end = `.holdfast-${role}-${token}`
  if (base === null) return end
  const room = MAX_NAME_BYTES - Buffer.byteLength(end) - 1
  let start = base
  while (Buffer.byteLength(start) > room) start = start.slice(0, -1)
  return `.${start}${end}`
}

/** Whether a folder holds nothing, our own folders and a file system's `lost+found` left aside. */
export async function isEmpty(path: string): Promise<boolean> {
  for await (const { name } of await opendir(path)) {
    if (name !== LOST_AND_FOUND && !isOwnFolder(name)) return false
  }
  return true
}

/** What mkfs puts at the root of a file system; it belongs to the file system, not to the data. */
export const LOST_AND_FOUND = 'lost+found'
