import { chmod, mkdir, readdir, rename } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { progressOf } from '../../src/act/swap-progress.ts'
import type { Staged, Staging } from '../../src/sources/source.ts'
import { fill, taskOf } from '../contract/source.ts'
import { type Bench, makeBench, sourceOf } from '../support/directories.ts'
import { mountTmpfs, snapshotTree } from '../support/trees.ts'

const NEVER = new AbortController().signal
let bench: Bench

beforeEach(async () => {
  bench = await makeBench()
})

afterEach(async () => await bench[Symbol.asyncDispose]())

const OLD = {
  a: '1',
  'b/c': '1',
  'b/cache/x': '1',
  'cache/x': '1',
  'd/e/cache': '1',
  'd/data/s': '1',
}
const NEW = {
  a: '2',
  'b/c': '2',
  'b/cache/x': '2',
  'cache/x': '2',
  'd/e/cache': '2',
  'd/data/s': '2',
}
const MIXED = { ...OLD, 'b/cache/x': '2', 'cache/x': '2', 'd/e/cache': '2', 'd/data/s': '2' }

interface Ready {
  readonly staging: Staging
  readonly staged: Staged
}

/** An archive of OLD without caches and data, staged over NEW. */
async function stageOver(live: string): Promise<Ready> {
  await bench.write({ ...OLD, 'gone/f': '1' }, live)
  await chmod(`${live}/d`, 0o711)
  const context = { ...bench.context, leaveOut: [`${live}/d/data`] }
  const source = sourceOf(live, { exclude: ['cache'] })
  const facts = await bench.archive(source, context)
  await bench.write({ ...NEW, 'more/cache': '2' }, live)
  const ours = live.endsWith('in-use') ? context : bench.context
  const staging = await source.stage(taskOf({ facts }), ours, NEVER)
  const staged = await staging.finish(await fill(staging, bench.at('archive.tar')), NEVER)
  return { staging, staged }
}

/** Makes the moves, and proves of each state between them that what exists tells how far it is. */
async function moveAll({ moves }: Staged): Promise<void> {
  expect(await progressOf(moves)).toEqual({ made: 0, complete: true })
  for (const [index, { from, to }] of moves.entries()) {
    await rename(from, to)
    expect(await progressOf(moves)).toEqual({ made: index + 1, complete: true })
  }
}

async function moveBack({ moves }: Staged): Promise<void> {
  for (const [index, { from, to }] of [...moves.entries()].reverse()) {
    await rename(to, from)
    expect(await progressOf(moves)).toEqual({ made: index, complete: true })
  }
}

describe.each(['beside', 'on a mount point', 'around data-in-use'])('a swap %s', (where) => {
  const live = () => bench.at(where.replaceAll(' ', '-'))

  async function prepared(prove: (ready: Ready) => Promise<void>): Promise<void> {
    await mkdir(live())
    const mount = where === 'on a mount point' ? await mountTmpfs(live()) : null
    try {
      const ready = await stageOver(live())
      await prove(ready)
      await ready.staging.discard()
    } finally {
      await mount?.[Symbol.asyncDispose]()
    }
  }

  it('tells by which paths exist how far it has come, and ends with what was left out in place', () =>
    prepared(async ({ staged, staging }) => {
      await moveAll(staged)
      await staging.discard()
      const { previous } = staged
      const end = { ...MIXED, 'more/cache': '2', 'gone/f': '1' }
      const shown = Object.entries(await bench.read(live()))
      const files = shown.filter(([path]) => !path.startsWith('.holdfast-previous'))
      expect(Object.fromEntries(files)).toEqual(end)
      expect(await bench.read(previous ?? '')).toEqual({ a: '2', 'b/c': '2', 'gone/f': '1' })
      const around = [...(await readdir(bench.root)), ...(await readdir(live()))]
      expect(around.filter((name) => /staging|parked/.test(name))).toEqual([])
    }))

  it('comes all the way back, and leaves nothing of itself', () =>
    prepared(async ({ staged, staging }) => {
      const before = await snapshotTree(live())
      await moveAll(staged)
      await moveBack(staged)
      expect((await snapshotTree(live())).contents).toEqual(before.contents)
      await staging.discard()
      expect(await bench.read(live())).toEqual({ ...NEW, 'gone/f': '1', 'more/cache': '2' })
      expect((await readdir(bench.root)).sort()).toEqual([
        'archive.tar',
        live().slice(bench.root.length + 1),
      ])
    }))

  it('keeps what is parked when it is discarded in the middle', () =>
    prepared(async ({ staged, staging }) => {
      for (const { from, to } of staged.moves.slice(0, 2)) await rename(from, to)
      await staging.discard()
      const everything = Object.values(await bench.read(bench.root)).filter((text) => text === '2')
      expect(everything).toHaveLength(7)
    }))
})
