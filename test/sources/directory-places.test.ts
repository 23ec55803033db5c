import { chmod, mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { taskOf } from '../contract/source.ts'
import { type Bench, makeBench, sourceOf } from '../support/directories.ts'
import { mountTmpfs, text } from '../support/trees.ts'

const NEVER = new AbortController().signal
let bench: Bench

beforeEach(async () => {
  bench = await makeBench()
})

afterEach(async () => await bench[Symbol.asyncDispose]())

describe('a restore at a mount point', () => {
  it('swaps entry by entry, keeps the old ones inside, and the next dump leaves them out', async () => {
    await using _ = await mountTmpfs(bench.live)
    await bench.write({ a: '1', 'b/c': '1' })
    await mkdir(bench.at('live', 'lost+found'))
    const facts = await bench.archive(sourceOf(bench.live))
    await bench.write({ a: '2', 'b/c': '2', d: '2' })
    const { ino } = await stat(bench.at('live', 'lost+found'))
    const first = await bench.restore(sourceOf(bench.live), { facts })
    expect(first.previous).toBe(bench.at('live', '.holdfast-previous-token2'))
    expect(await bench.read(first.previous ?? '')).toEqual({ a: '2', 'b/c': '2', d: '2' })
    expect((await stat(bench.at('live', 'lost+found'))).ino).toBe(ino)
    const again = await bench.archive(sourceOf(bench.live))
    expect(again.entries).toBe(facts.entries)
    const third = { ...bench.context, token: 'token3' }
    const second = await bench.restore(sourceOf(bench.live), { facts: again }, third)
    const names = await readdir(bench.live)
    const own = ['.holdfast-previous-token2', '.holdfast-previous-token3']
    expect(names.sort()).toEqual([...own, 'a', 'b', 'lost+found'])
    expect(second.warnings).toEqual([])
  })

  it('says when the mount point itself looks otherwise than in the archive', async () => {
    await using _ = await mountTmpfs(bench.live)
    await bench.write({ a: '1' })
    await chmod(bench.live, 0o750)
    const facts = await bench.archive(sourceOf(bench.live))
    await chmod(bench.live, 0o755)
    const { warnings } = await bench.restore(sourceOf(bench.live), { facts })
    expect(warnings).toEqual([
      `${bench.live} itself keeps its mode and owner 755 0:0; the archive has 750 0:0`,
    ])
  })

  it('refuses a name that a journal cannot hold, and leaves nothing of itself', async () => {
    await using _ = await mountTmpfs(bench.live)
    await writeFile(Buffer.concat([Buffer.from(`${bench.live}/`), Buffer.from([0xfe])]), 'x')
    const facts = await bench.archive(sourceOf(bench.live))
    await expect(bench.restore(sourceOf(bench.live), { facts })).rejects.toThrow(
      /name is not UTF-8/,
    )
    expect(await readdir(bench.live)).toHaveLength(1)
  })
})

describe('a restore to another place', () => {
  it('takes a new path or an empty folder, and refuses anything else', async () => {
    await bench.write({ a: '1' })
    const facts = await bench.archive(sourceOf(bench.live))
    await mkdir(bench.at('empty'))
    await bench.restore(sourceOf(bench.live), { facts, to: bench.at('empty') })
    expect(await bench.read(bench.at('empty'))).toEqual({ a: '1' })
    const full = bench.restore(sourceOf(bench.live), { facts, to: bench.at('empty') })
    await expect(full).rejects.toThrow('it exists already and is not empty')
    const file = bench.restore(sourceOf(bench.live), { facts, to: bench.at('archive.tar') })
    await expect(file).rejects.toThrow('it exists already and is not a folder')
    expect(await readdir(bench.root)).toHaveLength(3)
  })

  it('takes an empty mount point', async () => {
    await bench.write({ a: '1' })
    const facts = await bench.archive(sourceOf(bench.live))
    await using _ = await mountTmpfs(bench.at('mount'))
    const staged = await bench.restore(sourceOf(bench.live), { facts, to: bench.at('mount') })
    expect(await readdir(bench.at('mount'))).toEqual(['a'])
    expect(staged.previous).toBeNull()
  })

  it('needs no source that exists, and no mount that it requires', async () => {
    await bench.write({ a: '1' })
    const facts = await bench.archive(sourceOf(bench.live))
    await rm(bench.live, { recursive: true })
    await bench.restore(sourceOf(bench.live, { require_mount: true }), {
      facts,
      to: bench.at('to'),
    })
    expect(await bench.read(bench.at('to'))).toEqual({ a: '1' })
  })

  it('takes its missing parents away again when it is discarded', async () => {
    const to = bench.at('x', 'y', 'z')
    const staging = await sourceOf(bench.live).stage(taskOf({ to }), bench.context, NEVER)
    expect(await readdir(bench.at('x', 'y'))).toHaveLength(1)
    await staging.discard()
    expect(await readdir(bench.root)).toEqual([])
  })

  it('says what a file system without extended attributes lost', async () => {
    await bench.write({ a: '1' })
    text('setfattr', ['-n', 'user.note', '-v', 'x', bench.at('live', 'a')])
    const facts = await bench.archive(sourceOf(bench.live))
    await mkdir(bench.at('ramfs'))
    text('mount', ['-t', 'ramfs', 'holdfast-test', bench.at('ramfs')])
    try {
      const { warnings } = await bench.restore(sourceOf(bench.live), {
        facts,
        to: bench.at('ramfs', 'to'),
      })
      expect(warnings).toHaveLength(1)
      expect(warnings[0]).toMatch(/^access lists or extended attributes lost: .*user\.note/)
    } finally {
      text('umount', [bench.at('ramfs')])
    }
  })
})

describe('the description of a restore', () => {
  it('tells what is there, what stays, and what stands in the way', async () => {
    const source = sourceOf(bench.live)
    const nothing = await source.describe(taskOf({}), NEVER)
    expect(nothing).toEqual({ to: bench.live, now: 'nothing', remarks: [] })
    await bench.write({ a: '1', 'cache/x': '1' })
    const facts = await bench.archive(sourceOf(bench.live, { exclude: ['cache'] }))
    const there = await source.describe(taskOf({ facts }), NEVER)
    expect(there.now).toBe('directory with 2 entries')
    expect(there.remarks).toContain('1 paths that the backup left out stay as they are: cache')
    const bare = await source.describe(taskOf({}), NEVER)
    expect(bare.remarks.join()).toContain('no manifest')
    await using _ = await mountTmpfs(bench.at('live', 'cache'))
    const mounted = await source.describe(taskOf({ facts }), NEVER)
    expect(mounted.remarks[0]).toMatch(/^it will be refused: .*mounted in it/)
  })

  it('tells that a mount point is swapped entry by entry', async () => {
    await using _ = await mountTmpfs(bench.live)
    const { remarks } = await sourceOf(bench.live).describe(taskOf({}), NEVER)
    expect(remarks[0]).toMatch(/swapped one by one/)
  })
})
