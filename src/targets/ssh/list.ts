import type { FileEntryWithStats } from 'ssh2'
import type { Bytes } from '../../core/model.ts'
import type { StoredObject, UnfinishedObject } from '../../core/observed.ts'
import { checkPrefix, isUnder, readPartPath } from '../keys.ts'
import type { Page } from '../target.ts'
import { folderPath, objectOf, type Place, refuseDetours } from './place.ts'
import { isRefusal, NO_SUCH_FILE, PERMISSION_DENIED } from './refusal.ts'
import type { Handle } from './sftp.ts'

/** Folders that are read at a time. */
const AT_ONCE = 8

/** Some entries of a folder, and how to get on. */
interface Slice {
  readonly folder: string
  readonly handle: Handle | null
  readonly entries: readonly FileEntryWithStats[]
}

/** Everything under `prefix`; links are neither given nor followed. */
export async function* listPages(
  place: Place,
  prefix: string,
  signal: AbortSignal,
): AsyncGenerator<Page> {
  const start = checkPrefix(prefix)
  const top = prefix.slice(0, prefix.length - start.length)
  await refuseDetours(place, prefix)
  const folders = [top]
  const reading = new Map<string, Promise<Slice>>()
  try {
    for (;;) {
      signal.throwIfAborted()
      while (reading.size < AT_ONCE) {
        const folder = folders.pop()
        if (folder === undefined) break
        reading.set(folder, openFolder(place, folder))
      }
      if (reading.size === 0) return
      const slice = await Promise.race(reading.values())
      if (slice.handle) reading.set(slice.folder, nextSlice(place, slice.folder, slice.handle))
      else reading.delete(slice.folder)
      for (const { filename, attrs } of slice.entries) {
        if (!attrs.isDirectory() || !isName(filename)) continue
        if (slice.folder !== top || filename.startsWith(start)) {
          folders.push(`${slice.folder}${filename}/`)
        }
      }
      if (slice.entries.length > 0) yield pageOf(slice, prefix)
    }
  } finally {
    for (const slice of reading.values()) {
      slice.then(({ handle }) => handle && place.sftp.close(handle)).catch(() => {})
    }
  }
}

async function openFolder({ root, sftp }: Place, folder: string): Promise<Slice> {
  const handle = await sftp.openFolder(folderPath(root, folder)).catch((error: unknown) => {
    if (isRefusal(error, NO_SUCH_FILE)) return null
    // Every ext4 disk has one, closed to all but root.
    if (folder === 'lost+found/' && isRefusal(error, PERMISSION_DENIED)) return null
    throw error
  })
  return { folder, handle, entries: [] }
}

async function nextSlice({ sftp }: Place, folder: string, handle: Handle): Promise<Slice> {
  const entries = await sftp.entries(handle)
  if (entries) return { folder, handle, entries }
  await sftp.close(handle)
  return { folder, handle: null, entries: [] }
}

function pageOf({ folder, entries }: Slice, prefix: string): Page {
  const objects: StoredObject[] = []
  const unfinished: UnfinishedObject[] = []
  for (const { filename, attrs } of entries) {
    if (!attrs.isFile() || !isName(filename)) continue
    const path = folder + filename
    const part = readPartPath(path)
    if (part && isUnder(prefix, part.key)) unfinished.push({ ...part, bytes: attrs.size as Bytes })
    else if (part === null && path.startsWith(prefix)) objects.push(objectOf(path, attrs))
  }
  return { objects, unfinished }
}

/** Whether it names an entry of a folder; a server may say anything. */
function isName(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && !name.includes('/')
}
