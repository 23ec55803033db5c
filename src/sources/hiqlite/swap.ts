import { chmod, rmdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { RestoreFailed } from '../../lib/errors.ts'
import { isMountPoint, makeFolders } from '../../platform/files.ts'
import { entryAt } from '../../platform/sqlite/places.ts'
import type { Move } from '../source.ts'
import { type Layout, ownFolder, STATE } from './places.ts'

/**
 * Throws `RestoreFailed` unless all that a restore moves aside can be renamed within the data_dir:
 * nothing of it may be a mount, or a link to somewhere else.
 */
export async function requireMovable({ root, aside }: Layout): Promise<void> {
  for (const part of [STATE, ...aside]) {
    const path = join(root, part)
    const there = await entryAt(path)
    if (there === null) continue
    const isFolder = part !== STATE || there.isDirectory()
    const fault = there.isSymbolicLink()
      ? 'is a link'
      : (await isMountPoint(path))
        ? 'is a mount of its own'
        : isFolder
          ? null
          : 'is not a folder'
    if (fault === null) continue
    throw new RestoreFailed(`${path} ${fault}, which no rename can replace`, {
      at: path,
      hint: 'give the node a data_dir that is one folder or one mount; its backups may lie elsewhere',
    })
  }
}

/** The moves that set aside what is there and bring what is staged; makes the folders for the former. */
export async function planSwap(
  layout: Layout,
  holder: string,
  token: string,
): Promise<{ readonly moves: readonly Move[]; readonly previous: string | null }> {
  const { root, aside } = layout
  const previous = ownFolder(root, 'previous', token)
  const moves: Move[] = []
  for (const part of aside) {
    if ((await entryAt(join(root, part))) === null) continue
    const to = join(previous, part)
    await makePrivate(previous, dirname(to))
    moves.push({ from: join(root, part), to })
  }
  const part = await missingPart(layout)
  const arrival = { from: join(holder, part), to: join(root, part) }
  return { moves: [...moves, arrival], previous: moves.length > 0 ? previous : null }
}

async function makePrivate(previous: string, folder: string): Promise<void> {
  await makeFolders(folder, 0o700)
  for (const path of new Set([previous, folder])) await chmod(path, 0o700)
}

/** The outermost part of the way to the arrival that the data_dir has not, once all is aside. */
async function missingPart({ root, arrival, aside }: Layout): Promise<string> {
  const names = arrival.split('/')
  for (let length = 1; length < names.length; length++) {
    const part = join(...names.slice(0, length))
    if (aside.includes(part) || (await entryAt(join(root, part))) === null) return part
  }
  return arrival
}

/** Removes what `planSwap` made, unless something was moved there. */
export async function closeSwap({ root }: Layout, token: string): Promise<void> {
  const previous = ownFolder(root, 'previous', token)
  // rmdir takes only what is empty.
  for (const path of [join(previous, STATE), previous]) await rmdir(path).catch(() => {})
}
