import type { Stats } from 'ssh2'
import type { Bytes, Instant } from '../../core/model.ts'
import type { StoredObject } from '../../core/observed.ts'
import { Refused } from '../../lib/errors.ts'
import { partPath } from '../keys.ts'
import { FAILURE, isRefusal, NO_SUCH_FILE, PERMISSION_DENIED } from './refusal.ts'
import type { Sftp } from './sftp.ts'

/** How often a folder is made anew that another process tidied up meanwhile. */
const TRIES = 5

/** Where an SSH target keeps its objects, on a connection of the moment. */
export interface Place {
  /** Without a slash at its end; `` for `/`. */
  readonly root: string
  readonly sftp: Sftp
}

/** The path of a folder of the target that may be its root. */
export function folderPath(root: string, folder: string): string {
  return folder === '' ? root || '/' : `${root}/${folder.replace(/\/$/, '')}`
}

/** The folder of a key, as `acme/shop/`, or empty. */
export function folderOf(key: string): string {
  return key.slice(0, key.lastIndexOf('/') + 1)
}

export function partOf(root: string, key: string, token: string): string {
  return `${root}/${partPath(key, token)}`
}

/** Folders of a key below the root, the outermost first: `acme`, `acme/shop`. */
export function foldersOf(key: string): readonly string[] {
  const parts = key.split('/').slice(0, -1)
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'))
}

/** Throws `Refused` when a folder of the key below the root is a link: it may lead anywhere. */
export async function refuseDetours({ root, sftp }: Place, key: string): Promise<void> {
  const folders = foldersOf(key)
  const found = await Promise.all(folders.map((folder) => sftp.lstat(`${root}/${folder}`)))
  found.forEach((stats, index) => {
    if (!stats?.isSymbolicLink()) return
    const folder = folders[index] ?? ''
    throw new Refused(`${key} is not used: ${folder} is a symbolic link`, { at: folder })
  })
}

/** The object, or null for whatever else is there, or nothing. One round trip. */
export async function statObject(place: Place, key: string): Promise<StoredObject | null> {
  const [stats] = await Promise.all([
    place.sftp.lstat(`${place.root}/${key}`),
    refuseDetours(place, key),
  ])
  return stats?.isFile() ? objectOf(key, stats) : null
}

export function objectOf(key: string, { size, mtime }: Stats): StoredObject {
  return { key, bytes: size as Bytes, modifiedAt: (mtime * 1000) as Instant }
}

/** Makes the folder and its missing parents; gives those that it made, the innermost first. */
export async function makeFolders(
  sftp: Sftp,
  path: string,
  tries = TRIES,
): Promise<readonly string[]> {
  try {
    await sftp.makeFolder(path)
    return [path]
  } catch (error) {
    if (isRefusal(error, NO_SUCH_FILE)) {
      const parent = above(path)
      // Where the parent is there, another process may have tidied it up; or nothing can be made in it.
      if (parent === '' || tries === 0) throw error
      const made = await makeFolders(sftp, parent)
      return [...(await makeFolders(sftp, path, tries - 1)), ...made]
    }
    // A server may not tell that it is there already from what it refuses.
    if (!isRefusal(error, FAILURE, PERMISSION_DENIED)) throw error
    if (await isFolder(sftp, path)) return []
    throw error
  }
}

async function isFolder(sftp: Sftp, path: string): Promise<boolean> {
  const found = await sftp.lstat(path)
  if (found === null) return false
  if (found.isDirectory()) return true
  // A link of the person's own above the root: a folder is what can be listed.
  if (!found.isSymbolicLink()) return false
  const handle = await sftp.openFolder(path).catch(() => null)
  if (handle) await sftp.close(handle)
  return handle !== null
}

/** Removes the file, and those of its folders below the root that it leaves empty. */
export async function erase({ root, sftp }: Place, path: string): Promise<void> {
  await sftp.unlink(path).catch((error: unknown) => {
    if (!isRefusal(error, NO_SUCH_FILE)) throw error
  })
  await removeEmptyFolders({ root, sftp }, path)
}

/** Removes the folders of the path below the root, from the innermost on, as far as they are empty. */
export async function removeEmptyFolders({ root, sftp }: Place, path: string): Promise<void> {
  for (let folder = above(path); folder.length > root.length; folder = above(folder)) {
    const error = await sftp.removeFolder(folder).catch((error: unknown) => error)
    if (error !== undefined && !isRefusal(error, NO_SUCH_FILE)) return // not empty, or not ours
  }
}

/** The folder that the path is in; empty at the top. */
export function above(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')))
}
