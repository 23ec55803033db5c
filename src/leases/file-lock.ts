import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { isBusy } from '../platform/sqlite-error.ts'

/**
 * A lock that dies with its process. Node has no flock, so it is SQLite's own lock on an empty
 * database: the kernel frees it at any death, also at kill -9. Nothing is ever written to the file,
 * so there is no journal to recover.
 *
 * Locks of POSIX belong to the process: closing any descriptor of the file drops them all. These
 * files are therefore opened by SQLite alone, which knows of that, and never by `node:fs`.
 */
export interface FileLock {
  /** Frees the lock. Doing so twice succeeds. */
  release(): void
}

/** Who holds a lock, told to those who find it taken. */
export interface Holder {
  readonly instance: string
  readonly pid: number
  readonly host: string
  /** ISO 8601. */
  readonly since: string
}

/** Takes the lock at once, or returns null when it is held. Of two that race, exactly one gets it. */
export function tryLock(path: string, holder: Holder): FileLock | null {
  const sqlite = lock(path, 'begin immediate', 0)
  if (!sqlite) return null
  try {
    tellHolder(path, holder)
  } catch (error) {
    sqlite.close()
    throw error
  }
  return {
    release() {
      if (!sqlite.isOpen) return
      rmSync(tellPath(path), { force: true })
      sqlite.close()
    },
  }
}

/**
 * Takes the lock of a file that is ours by its name; readers find it locked. Waits for those who
 * look at it or sweep it at this moment. Null when another process holds it for life.
 */
export function lockOwn(path: string): FileLock | null {
  for (;;) {
    const sqlite = lock(path, 'begin exclusive', 500)
    if (!sqlite) return null
    // Swept between opening and locking: what we locked has no name any more.
    if (!existsSync(path)) {
      sqlite.close()
      continue
    }
    return {
      release() {
        if (!sqlite.isOpen) return
        rmSync(path, { force: true })
        sqlite.close()
      },
    }
  }
}

/** Whether `lockOwn` holds that file somewhere. Takes nothing that would hinder another who asks. */
export function isLocked(path: string): boolean {
  if (!existsSync(path)) return false
  let sqlite: DatabaseSync | null = null
  try {
    sqlite = new DatabaseSync(path, { readOnly: true, timeout: 0 })
    sqlite.prepare('select count(*) from sqlite_schema').get()
    return false
  } catch (error) {
    if (isBusy(error)) return true
    // Swept meanwhile.
    if (!existsSync(path)) return false
    throw error
  } finally {
    sqlite?.close()
  }
}

/** Removes a file of `lockOwn` whose owner is gone; leaves it when it is held. */
export function sweep(path: string): void {
  const sqlite = lock(path, 'begin immediate', 0)
  if (!sqlite) return
  rmSync(path, { force: true })
  sqlite.close()
}

/** Who holds the lock, in words; what can be told may be a moment old. */
export function holderOf(path: string): string {
  try {
    const holder = JSON.parse(readFileSync(tellPath(path), 'utf8')) as Holder
    return `instance ${holder.instance} (pid ${holder.pid} on ${holder.host}) since ${holder.since}`
  } catch {
    return 'another process'
  }
}

function lock(path: string, begin: string, timeout: number): DatabaseSync | null {
  const sqlite = new DatabaseSync(path, { timeout })
  try {
    // Without this an exclusive lock makes an empty journal beside the file.
    sqlite.exec('pragma journal_mode = memory')
    sqlite.exec(begin)
    return sqlite
  } catch (error) {
    sqlite.close()
    if (isBusy(error)) return null
    throw error
  }
}

/** Beside the lock, renamed into place: a reader sees one holder or the other, never half of one. */
function tellHolder(path: string, holder: Holder): void {
  const told = tellPath(path)
  const fresh = `${told}.${holder.pid}`
  writeFileSync(fresh, JSON.stringify(holder), { mode: 0o600 })
  renameSync(fresh, told)
}

function tellPath(path: string): string {
  return `${path}.holder.json`
}
