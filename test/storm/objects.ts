import type { Workspace } from '../support/workspace.ts'

/** Every object on the targets, as `target/key`. */
export async function objectsOf({ shelves }: Workspace): Promise<readonly string[]> {
  const all = shelves.map(async ({ name, keys }) => (await keys()).map((key) => `${name}/${key}`))
  return (await Promise.all(all)).flat()
}

/** A file with what the object holds, which is named as `target/key`. Rejects when it is not there. */
export async function fileOf({ shelves }: Workspace, path: string): Promise<string> {
  const slash = path.indexOf('/')
  const shelf = shelves.find(({ name }) => name === path.slice(0, slash))
  if (!shelf) throw new Error(`${path} is on no target`)
  return await shelf.file(path.slice(slash + 1))
}
