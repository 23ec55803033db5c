import { rename, rm } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { exists, makeFolders, PathTaken, syncFolder } from './files.ts'

/** A rename; absolute paths. */
interface Move {
  readonly from: string
  readonly to: string
}

/** The file system of this host: names are absolute paths. */
export const fileRealm = {
  exists,
  async rename({ from, to }: Move): Promise<void> {
    if (await exists(to)) throw new PathTaken(to)
    await rename(from, to)
  },
  /** The new name first: a power cut between the two leaves two names rather than none. */
  async settle({ from, to }: Move): Promise<void> {
    await syncFolder(dirname(to))
    if (dirname(from) !== dirname(to)) await syncFolder(dirname(from))
  },
  makeRoom: (path: string) => makeFolders(dirname(path), 0o700),
  async remove(path: string): Promise<void> {
    await rm(path, { recursive: true, force: true })
    for (const suffix of DATABASE_FILES) await rm(path + suffix, { force: true })
  },
  isPrevious: (path: string) => basename(path).includes('holdfast-previous'),
}

/** What a SQLite database has beside it. */
const DATABASE_FILES = ['-wal', '-shm', '-journal']
