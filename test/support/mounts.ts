import { execFile } from 'node:child_process'
import { mkdtemp, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Something mounted on a new folder of its own; unmounted and removed when disposed. Needs root. */
export interface Mounted extends AsyncDisposable {
  readonly path: string
}

/** An empty file system in memory that is full after `size`, as `1m`. */
export function mountTmpfs(size: string): Promise<Mounted> {
  return mounted((path) => run('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', path]))
}

/** Gives the file system that `mountTmpfs` made another size; it cannot lose what it holds. */
export async function resizeTmpfs({ path }: Mounted, bytes: number): Promise<void> {
  await run('mount', ['-o', `remount,size=${Math.ceil(bytes / 1024)}k`, path])
}

/** The folder as it is, read-only even for root. */
export function mountReadOnly(folder: string): Promise<Mounted> {
  return mounted(async (path) => {
    await run('mount', ['--bind', folder, path])
    await run('mount', ['-o', 'remount,ro,bind', path])
  })
}

async function mounted(mount: (path: string) => Promise<unknown>): Promise<Mounted> {
  const path = await mkdtemp(join(tmpdir(), 'holdfast-mount-'))
  const release = async () => {
    await run('umount', ['--lazy', path]).catch(() => {})
    await rmdir(path)
  }
  try {
    await mount(path)
  } catch (cause) {
    await release()
    throw new Error('this test mounts file systems and must run as root', { cause })
  }
  return { path, [Symbol.asyncDispose]: release }
}
