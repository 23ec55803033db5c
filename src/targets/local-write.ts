import { type FileHandle, open, rmdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Bytes } from '../core/model.ts'
import { ObjectExists, Refused, TargetUnreachable } from '../lib/errors.ts'
import {
  codeOf,
  exists,
  isGone,
  makeFolders,
  PathTaken,
  removeDurably,
  renameNew,
  syncFolder,
} from '../platform/files.ts'
import { lookAt, type Place, refuseDetours } from './local-place.ts'
import type { Stored } from './target.ts'

const FOLDER_MODE = 0o700
const FILE_MODE = 0o600

/** Opens the file that the object grows in, beside its final name. */
export async function begin(
  place: Place,
  key: string,
  part: string,
  signal: AbortSignal,
): Promise<FileHandle> {
  signal.throwIfAborted()
  if ((await lookAt(place)) === 'missing') await makeFolders(place.root, FOLDER_MODE)
  refuseDetours(place.root, key)
  if (await exists(`${place.root}/${key}`)) throw new ObjectExists(key)
  for (let tries = 1; ; tries++) {
    try {
      await makeFolders(dirname(part), FOLDER_MODE)
      return await open(part, 'wx', FILE_MODE)
    } catch (error) {
      if (codeOf(error) === 'EEXIST') throw alreadyBegun(key, part, error)
      if (error instanceof PathTaken || codeOf(error) === 'ENOTDIR') throw blocked(key, error)
      // A remove that tidies up took the folder away before we had a file in it.
      if (codeOf(error) !== 'ENOENT' || tries === 100) throw error
    }
  }
}

function alreadyBegun(key: string, part: string, cause: unknown): Refused {
  const hint = `if nothing is writing it any more, remove ${part}`
  return new Refused(`an attempt of the same token writes ${key} already`, { cause, hint })
}

function blocked(key: string, cause: unknown): Refused {
  return new Refused(`cannot write ${key}: a part of its path is an object, not a folder`, {
    cause,
    at: key,
  })
}

/** Brings the bytes to the disk and closes the file. Throws when the file is not that long. */
export async function seal(file: FileHandle, bytes: number): Promise<void> {
  await file.sync()
  const { size } = await file.stat()
  if (size !== bytes) {
    throw new TargetUnreachable(`the disk kept ${size} of ${bytes} bytes that were written`)
  }
  await file.close()
}

/** Gives the sealed file its final name; the name is on the disk when it resolves. */
export async function publish(
  place: Place,
  key: string,
  part: string,
  bytes: number,
): Promise<Stored> {
  const path = `${place.root}/${key}`
  const folder = dirname(path)
  for (let name = folder; name !== place.root; name = dirname(name)) {
    if (place.durable.has(name)) continue
    await syncFolder(dirname(name))
    place.durable.add(name)
  }
  await renameNew(part, path).catch((cause: unknown) => {
    throw cause instanceof PathTaken ? new ObjectExists(key, { cause }) : cause
  })
  await syncFolder(folder).catch(async (error: unknown) => {
    await removeDurably(path).catch(() => {}) // it must not count: it may be gone after a crash
    throw error
  })
  return { bytes: bytes as Bytes, readback: 'size' }
}

/** Removes the file for good, and those of its folders that it leaves empty. */
export async function erase(place: Place, path: string): Promise<void> {
  await removeDurably(path)
  let folder = dirname(path)
  for (; folder !== place.root; folder = dirname(folder)) {
    place.durable.delete(folder)
    const error = await rmdir(folder).catch((error: unknown) => error)
    if (error !== undefined && !isGone(error)) break // not empty, or not ours to remove
  }
  if (folder === dirname(path)) return
  await syncFolder(folder).catch((error: unknown) => {
    if (!isGone(error)) throw error
  })
}
