import { rm, writeFile } from 'node:fs/promises'
import { sourceContract } from '../contract/source.ts'
import { makeBench, sourceOf } from '../support/directories.ts'
import { makeRichTree, mountTmpfs, snapshotTree } from '../support/trees.ts'

sourceContract('directory', async () => {
  const bench = await makeBench()
  await makeRichTree(bench.live)
  return {
    source: sourceOf(bench.live),
    broken: sourceOf(bench.at('missing')),
    contents: (at) => snapshotTree(at ?? bench.live),
    change: async () => {
      await rm(bench.at('live', 'etc'), { recursive: true })
      await writeFile(bench.at('live', 'run'), 'changed')
      await writeFile(bench.at('live', 'new'), 'new')
    },
    elsewhere: bench.at('else', 'where'),
    dispose: async () => await bench[Symbol.asyncDispose](),
  }
})

sourceContract('directory on a mount point', async () => {
  const bench = await makeBench()
  const mount = await mountTmpfs(bench.live)
  await writeFile(bench.at('live', 'kept'), 'kept')
  await makeRichTree(bench.at('live', 'tree'))
  return {
    source: sourceOf(bench.live, { require_mount: true }),
    broken: sourceOf(bench.at('missing')),
    contents: (at) => snapshotTree(`${at ?? bench.live}/tree`),
    change: async () => {
      await rm(bench.at('live', 'tree', 'etc'), { recursive: true })
      await writeFile(bench.at('live', 'tree', 'new'), 'new')
    },
    elsewhere: bench.at('elsewhere'),
    dispose: async () => {
      await mount[Symbol.asyncDispose]()
      await bench[Symbol.asyncDispose]()
    },
  }
})
