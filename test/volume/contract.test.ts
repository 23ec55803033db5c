import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, vi } from 'vitest'
import type { Options } from '../../src/core/model.ts'
import { section } from '../../src/core/section.ts'
import type { Source } from '../../src/sources/source.ts'
import { volume } from '../../src/sources/volume.ts'
import { sourceContract } from '../contract/source.ts'
import { type DockerEngine, startDocker } from '../services/docker.ts'
import { makeRichTree, snapshotTree, text } from '../support/trees.ts'

let docker: DockerEngine

beforeAll(async () => {
  docker = await startDocker(['debian'])
}, 120_000)
afterAll(() => docker[Symbol.asyncDispose]())

function sourceOf(name: string, options: Options): Source {
  const block = { volume: name, docker: docker.host, ...options }
  return volume.configure(section('jobs.test.sources[0]', block))
}

let count = 0

/** Files that every way brings back as they were: plain ones, of whole seconds. */
async function makePlainTree(root: string): Promise<void> {
  await mkdir(join(root, 'deep/er'), { recursive: true })
  await writeFile(join(root, 'deep/er/ä b.txt'), 'held fast')
  await writeFile(join(root, 'large'), Buffer.alloc(3_000_000, 'x'))
  for (const path of ['deep/er/ä b.txt', 'large', 'deep/er', 'deep', '']) {
    await utimes(join(root, path), 1_700_000_000, 1_700_000_000)
  }
}

function contractOf(name: string, options: Options, make: (root: string) => Promise<void>): void {
  sourceContract(name, async () => {
    const volumeName = `contract-${count++}`
    await docker.docker('volume', 'create', volumeName)
    const live = docker.volume(volumeName)
    const tree = join(live, 'tree')
    await make(tree)
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-volume-'))
    return {
      source: sourceOf(volumeName, options),
      broken: sourceOf('never-deployed', options),
      contents: (at) => snapshotTree(join(at ?? live, 'tree')),
      change: async () => {
        const [first = ''] = await readdir(tree)
        await rm(join(tree, first), { recursive: true })
        await writeFile(join(tree, 'new'), 'new')
      },
      elsewhere: join(folder, 'elsewhere'),
      dispose: async () => {
        await rm(folder, { recursive: true, force: true })
        // A session of ours waits for another move a moment longer.
        const users = () =>
          docker.docker('ps', '--all', '--quiet', '--filter', `volume=${volumeName}`)
        await vi.waitUntil(async () => (await users()) === '', { timeout: 20_000, interval: 100 })
        await docker.docker('volume', 'rm', volumeName)
      },
    }
  })
}

contractOf('volume by its path', { via: 'path' }, makeRichTree)
/** What only the machine's own root may see is no business of a container of ours. */
async function makeTreeForContainers(root: string): Promise<void> {
  await makeRichTree(root)
  text('setfattr', ['-h', '-x', 'trusted.mark', join(root, 'inner-link')])
}

contractOf('volume by a container of ours', { via: 'helper' }, makeTreeForContainers)
contractOf('volume by the archive of the engine', { via: 'engine' }, makePlainTree)
