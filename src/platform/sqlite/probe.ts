import { linkSync, rmSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { resultCode } from './problem.ts'
import type { Probed, ProbeTask } from './task.ts'

const BUSY = 5
const LOCKED = 6

/**
 * Asks for every lock at once. The kernel knows locks across containers, where /proc is blind; who
 * holds none, such as an idle connection outside WAL mode, is not seen.
 *
 * Through a hard link: the locks are those of the file, but `-wal` and `-journal` go by name, so that
 * opening it neither rolls back nor checkpoints what lies beside the live database.
 */
export function probe({ path, link }: ProbeTask): Probed {
  const leftovers = ['', '-wal', '-shm', '-journal'].map((part) => link + part)
  const clear = () => {
    for (const leftover of leftovers) rmSync(leftover, { force: true })
  }
  clear()
  try {
    linkSync(path, link)
    return takeAllLocks(link)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    const code = resultCode(error)
    return { kind: 'probed', state: code === BUSY || code === LOCKED ? 'busy' : 'unknown', why }
  } finally {
    clear()
  }
}

function takeAllLocks(path: string): Probed {
  const database = new DatabaseSync(path, { timeout: 0 })
  try {
    // In WAL mode only this one collides with a connection that merely is there.
    database.exec('pragma locking_mode=exclusive')
    database.exec('begin exclusive')
    database.exec('rollback')
    return { kind: 'probed', state: 'free', why: 'every lock could be had' }
  } finally {
    database.close()
  }
}
