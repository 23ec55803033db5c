import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { RestoreFailed } from '../../lib/errors.ts'
import { formatBytes } from '../../lib/size.ts'
import { codeOf, freeBytes, makeFolders } from '../files.ts'
import { partsOf } from './places.ts'

/** Numbers that the manifest of a database has; another archive has none of them. */
export interface Pages {
  readonly pageSize?: unknown
  readonly pageCount?: unknown
}

/** Makes the folder with its parents. Throws `RestoreFailed` unless a database of that many pages can be written there. */
export async function requireRoom(
  folder: string,
  mode: number,
  { pageSize, pageCount }: Pages,
): Promise<void> {
  await makeFolders(folder, mode)
    .then(() => access(folder, constants.W_OK))
    .catch((cause: unknown) => {
      throw new RestoreFailed(`${folder} cannot be written to (${codeOf(cause)})`, {
        at: folder,
        hint: 'run as a user who may write there, or restore elsewhere with --to FILE',
        cause,
      })
    })
  if (typeof pageSize !== 'number' || typeof pageCount !== 'number') return
  const needed = pageSize * pageCount
  const free = await freeBytes(folder)
  if (free >= needed) return
  throw new RestoreFailed(
    `the database has ${formatBytes(needed)}, and ${folder} has ${formatBytes(free)} free`,
    { at: folder, hint: 'free some space there: the old database is kept beside the new one' },
  )
}

/** Throws `RestoreFailed` when a database, or a part of one, is there already. */
export async function requireNew(path: string): Promise<void> {
  const taken = (await partsOf(path))[0]
  if (taken === undefined) return
  throw new RestoreFailed(`${taken} exists already and is not overwritten`, {
    at: taken,
    hint: 'name a file that does not exist yet: --to /path/to/restored.sqlite',
  })
}

/** Throws `RestoreFailed` when only a part of a database is asked for. */
export function requireWhole(only: string | null): void {
  if (only === null) return
  throw new RestoreFailed(`a database is restored whole, not only ${only}`, {
    hint: 'restore it elsewhere with --to FILE and take out what you need with sqlite3',
  })
}
