import { mkdir, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { findProgram } from '../src/platform/program.ts'
import type { Follow } from './measure.ts'
import { outputOf, pipe, type Step } from './programs.ts'

export const HOLDFAST = join(import.meta.dirname, '..', 'bin', 'holdfast')

/** One way to back up a folder and to restore it. */
export interface Contender {
  readonly id: string
  readonly name: string
  /** Before each backup, not timed. */
  prepare(): Promise<void>
  /** A full backup that is on the disk when it resolves. */
  backup(follow: Follow): Promise<void>
  /** Bytes that the last backup takes. */
  stored(): Promise<number>
  /** Restores the last backup into the new folder `to`; it is on the disk when it resolves. */
  restore(to: string, follow: Follow): Promise<void>
  /** Where the data is inside a restored folder. */
  readonly inside: string
}

export interface Place {
  /** What is backed up. */
  readonly data: string
  /** Folder of this contender. */
  readonly work: string
  /** An age identity, and its recipient. */
  readonly identity: string
  readonly recipient: string
}

/** Those that can be run on this machine, the script first: the others are held against it. */
export async function contenders(data: string, work: string): Promise<readonly Contender[]> {
  const identity = join(work, 'key.txt')
  await outputOf({ command: 'age-keygen', args: ['-o', identity] })
  const recipient = (await outputOf({ command: 'age-keygen', args: ['-y', identity] })).trim()
  const place = (name: string): Place => ({ data, identity, recipient, work: join(work, name) })
  const found = [await script(place('script')), await holdfast(place('holdfast'))]
  if (await findProgram('restic')) found.push(await restic(place('restic')))
  return found
}

/**
 * What an expert writes by hand: three programs, and care that the archive is on the disk. A new one
 * each time, beside the earlier ones, as for Holdfast: to write into memory that a deleted file has
 * just left behind is cheaper.
 */
export async function script({ data, work, identity, recipient }: Place): Promise<Contender> {
  await mkdir(work, { recursive: true })
  let night = 0
  let path = ''
  return {
    id: 'script',
    name: 'tar | zstd | age',
    inside: '.',
    async prepare() {
      path = join(work, `${++night}.tar.zst.age`)
    },
    async backup(follow) {
      const part = `${path}.part`
      const file = await open(part, 'w', 0o600)
      const steps: readonly Step[] = [
        { command: 'tar', args: ['-C', data, '-cf', '-', '.'] },
        { command: 'zstd', args: ['-q', '-3', '-T0', '-c'] },
        { command: 'age', args: ['-r', recipient] },
      ]
      await pipe(steps, follow, file.fd)
      await file.sync()
      await file.close()
      await rename(part, path)
      await syncFolder(dirname(path))
    },
    stored: async () => (await stat(path)).size,
    async restore(to, follow) {
      await mkdir(to)
      const steps: readonly Step[] = [
        { command: 'age', args: ['-d', '-i', identity, path] },
        { command: 'zstd', args: ['-q', '-d', '-c'] },
        { command: 'tar', args: ['-C', to, '-xpf', '-'] },
      ]
      await pipe(steps, follow)
      await syncFileSystem(to, follow)
    },
  }
}

/** The program as a person calls it: its own start, state and manifest are in its time. */
async function holdfast({ data, work, identity, recipient }: Place): Promise<Contender> {
  const archives = join(work, 'archives')
  const config = join(work, 'holdfast.yml')
  await mkdir(work, { recursive: true })
  await writeFile(
    config,
    `data_dir: ${join(work, 'state')}
encryption: { recipients: [${recipient}], identity_file: ${identity} }
targets:
  shelf: { type: local, path: ${archives} }
jobs:
  bench:
    source: { type: directory, path: ${data}, name: data }
    targets: [shelf]
`,
  )
  const run = (follow: Follow, ...args: readonly string[]) =>
    pipe([{ command: HOLDFAST, args: [...args, '--quiet', '--config', config] }], follow)
  return {
    id: 'holdfast',
    name: 'holdfast',
    inside: '.',
    // Earlier archives stay, as in life: to take them away would be to lose copies.
    prepare: async () => {},
    backup: (follow) => run(follow, 'backup', 'create'),
    stored: async () => Math.max(0, ...(await sizesIn(archives))),
    restore: (to, follow) => run(follow, 'restore', 'bench/data@latest', '--to', to, '--yes'),
  }
}

async function restic({ data, work }: Place): Promise<Contender> {
  const repository = join(work, 'repository')
  await mkdir(work, { recursive: true })
  const step = (...args: readonly string[]): Step => ({
    command: 'restic',
    args: ['--quiet', '--repo', repository, '--cache-dir', join(work, 'cache'), ...args],
    env: { RESTIC_PASSWORD: 'only-for-the-bench' },
  })
  return {
    id: 'restic',
    name: 'restic',
    inside: data,
    async prepare() {
      await rm(work, { recursive: true, force: true })
      await mkdir(work)
      await outputOf(step('init'))
    },
    async backup(follow) {
      await pipe([step('backup', data)], follow)
      await syncFileSystem(work, follow)
    },
    stored: async () => (await sizesIn(repository)).reduce((sum, size) => sum + size, 0),
    async restore(to, follow) {
      await pipe([step('restore', 'latest', '--target', to)], follow)
      await syncFileSystem(to, follow)
    },
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path)
  await folder.sync()
  await folder.close()
}

/** As Holdfast ends a restore: everything that was written is on the disk. */
export async function syncFileSystem(path: string, follow: Follow): Promise<void> {
  await pipe([{ command: 'sync', args: ['--file-system', path] }], follow)
}

async function sizesIn(folder: string): Promise<readonly number[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile())
  return await Promise.all(
    files.map(async ({ parentPath, name }) => (await stat(join(parentPath, name))).size),
  )
}
