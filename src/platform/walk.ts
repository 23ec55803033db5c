import { type Dirent, readdirSync } from 'node:fs'
import { setImmediate as othersTurn } from 'node:timers/promises'
import { codeOf, isGone } from './files.ts'

/** Names looked at before the event loop gets its turn: a few milliseconds. */
const SLICE = 1000

/**
 * Paths below `root` of every regular file, in slices and no promised order; links are neither given
 * nor followed. Folders that cannot hold a path beginning with `prefix` are not read; of the folder
 * that `prefix` ends in, all files are given. A missing folder is an empty one.
 *
 * Throws the system error of a folder that cannot be read: an answer that lacks a part would look
 * like a loss.
 */
export async function* walkFiles(
  root: string,
  prefix: string,
  signal: AbortSignal,
): AsyncGenerator<readonly string[]> {
  const top = prefix.slice(0, prefix.lastIndexOf('/') + 1)
  const start = prefix.slice(top.length)
  const folders = [top]
  let files: string[] = []
  let seen = 0
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    signal.throwIfAborted()
    for (const entry of entriesOf(root, folder)) {
      if (entry.isFile()) files.push(folder + entry.name)
      else if (entry.isDirectory() && (folder !== top || entry.name.startsWith(start))) {
        folders.push(`${folder}${entry.name}/`)
      }
      if (++seen % SLICE !== 0) continue
      yield files
      files = []
      await othersTurn()
      signal.throwIfAborted()
    }
  }
  yield files
}

// Synchronous: four times as fast as a trip to the thread pool for each of many small folders.
function entriesOf(root: string, folder: string): readonly Dirent[] {
  try {
    return readdirSync(`${root}/${folder}`, { withFileTypes: true })
  } catch (error) {
    if (isGone(error)) return []
    // Every ext4 disk has one, closed to all but root.
    if (folder === 'lost+found/' && codeOf(error) === 'EACCES') return []
    throw error
  }
}
