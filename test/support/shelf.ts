import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** A place of backups as a test sees it by itself, not through the product. */
export interface Shelf {
  /** Of the target that keeps its objects there. */
  readonly name: string
  /** The target's block in the config. */
  readonly block: Readonly<Record<string, unknown>>
  /** Of all objects that are there; what was begun and is none yet ends in `.part`. */
  keys(): Promise<readonly string[]>
  /** A file of this machine that holds what the object does. Rejects when there is none. */
  file(key: string): Promise<string>
  put(key: string, content: string): Promise<void>
  /** Puts something of others there that is no object. */
  putOddity(folder: string): Promise<void>
}

/** A folder of this machine, whoever it is that writes there. */
export function folderShelf(name: string, path: string, block: Shelf['block']): Shelf {
  return {
    name,
    block,
    async keys() {
      const entries = await readdir(path, { recursive: true, withFileTypes: true }).catch(() => [])
      return entries
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(path.length + 1))
    },
    file: async (key) => join(path, key),
    async put(key, content) {
      await mkdir(dirname(join(path, key)), { recursive: true })
      await writeFile(join(path, key), content)
    },
    putOddity: (folder) => symlink('notes.txt', join(path, folder, 'link')),
  }
}

/** Folders of a workspace, as targets of kind `local`. */
export function localShelves(count: number): (root: string) => readonly Shelf[] {
  return (root) =>
    ['one', 'two']
      .slice(0, count)
      .map((name) => folderShelf(name, join(root, name), { type: 'local', path: `./${name}` }))
}
