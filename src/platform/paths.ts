import { realpath } from 'node:fs/promises'
import { basename, dirname, join, relative, sep } from 'node:path'
import { isGone } from './files.ts'

/** The path with every link in it resolved, as far as it exists. */
export async function realOf(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    if (!isGone(error) || dirname(path) === path) throw error
    return join(await realOf(dirname(path)), basename(path))
  }
}

/** What `path` is called seen from `root`: `''` for the root itself, null when it lies outside. */
export function within(root: string, path: string): string | null {
  const way = relative(root, path)
  return way === '..' || way.startsWith(`..${sep}`) ? null : way
}
