import { chmod, chown, lstat, mkdir, open, readdir, rm, stat, symlink } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { RestoreFailed } from '../../src/lib/errors.ts'
import { type Bench, makeBench, sourceOf } from '../support/directories.ts'
import { writeTar } from '../support/tars.ts'
import {
  makeDeepPath,
  makeRichTree,
  mountTmpfs,
  snapshotNames,
  snapshotTree,
  text,
} from '../support/trees.ts'

let bench: Bench

beforeEach(async () => {
  bench = await makeBench()
})

afterEach(async () => await bench[Symbol.asyncDispose]())

describe('a restore in place', () => {
  it('brings back a tree in all that can be seen of it, also by stock tar', async () => {
    await makeRichTree(bench.live)
    const before = await snapshotTree(bench.live)
    expect(JSON.stringify(before)).toMatch(/trusted\.mark/)
    expect(JSON.stringify(before)).toMatch(/user:1234:rw-/)
    expect(JSON.stringify(before)).toMatch(/1580608922\.1234567890/)
    expect(before.entries.filter((line) => line.endsWith('holes'))).toHaveLength(1)
    const facts = await bench.archive(sourceOf(bench.live))
    await rm(bench.at('live', 'etc'), { recursive: true })
    await bench.restore(sourceOf(bench.live), { facts })
    expect(await snapshotTree(bench.live)).toEqual(before)
    await mkdir(bench.at('stock'))
    const flags = ['--xattrs', '--xattrs-include=*', '--acls', '--numeric-owner', '-xpf']
    text('tar', [...flags, bench.at('archive.tar'), '-C', bench.at('stock')])
    expect(await snapshotTree(bench.at('stock'))).toEqual(before)
  })

  it('brings back paths that are as long as tar can unpack', async () => {
    await makeDeepPath(bench.live, 20)
    const before = await snapshotNames(bench.live)
    const lengths = before.contents.map((line) => line.length + bench.live.length)
    expect(Math.max(...lengths)).toBeGreaterThan(4096)
    const facts = await bench.archive(sourceOf(bench.live))
    text('rm', ['-r', bench.live])
    await bench.restore(sourceOf(bench.live), { facts })
    expect(await snapshotNames(bench.live)).toEqual(before)
  })

  it('keeps what was there, names where, and leaves nothing else behind', async () => {
    await bench.write({ a: '1' })
    const facts = await bench.archive(sourceOf(bench.live))
    await bench.write({ a: '2', b: '2' })
    const staged = await bench.restore(sourceOf(bench.live), { facts })
    expect(staged.previous).toBe(bench.at('.live.holdfast-previous-token2'))
    expect(await bench.read(staged.previous ?? '')).toEqual({ a: '2', b: '2' })
    expect(await bench.read()).toEqual({ a: '1' })
    expect(staged.summary).toBe(`2 entries into ${bench.live}`)
    expect(staged.warnings).toEqual([])
    const names = ['.live.holdfast-previous-token2', 'archive.tar', 'live']
    expect((await readdir(bench.root)).sort()).toEqual(names)
  })

  it('brings back a folder that is gone, with its missing parents', async () => {
    const live = bench.at('gone', 'deeper', 'live')
    await bench.write({ a: '1' }, live)
    const facts = await bench.archive(sourceOf(live))
    await rm(bench.at('gone'), { recursive: true })
    const { previous } = await bench.restore(sourceOf(live), { facts })
    expect(previous).toBeNull()
    expect(await bench.read(live)).toEqual({ a: '1' })
  })

  it('replaces what a link as the path leads to, and not the link', async () => {
    await bench.write({ a: '1' }, bench.at('real'))
    await symlink(bench.at('real'), bench.live)
    const facts = await bench.archive(sourceOf(bench.live))
    await bench.write({ a: '2' }, bench.at('real'))
    await bench.restore(sourceOf(bench.live), { facts })
    expect((await lstat(bench.live)).isSymbolicLink()).toBe(true)
    expect(await bench.read()).toEqual({ a: '1' })
  })

  it('carries over what the archive had left out, by its manifest and not by the config', async () => {
    await bench.write({
      'a/b': '1',
      'a/cache/x': '1',
      'logs/l.log': '1',
      'logs/keep': '1',
      'data/d': '1',
    })
    const context = { ...bench.context, leaveOut: [bench.at('live', 'data')] }
    const facts = await bench.archive(
      sourceOf(bench.live, { exclude: ['cache', 'logs/*.log'] }),
      context,
    )
    await chmod(bench.at('live', 'a'), 0o711)
    await bench.write({
      'a/b': '2',
      'a/cache/x': '2',
      'logs/l.log': '2',
      'logs/keep': '2',
      'data/d': '2',
    })
    await bench.write({ 'new/cache/y': '2', 'new/z': '2' })
    await chown(bench.at('live', 'new'), 1234, 5678)
    const { warnings } = await bench.restore(sourceOf(bench.live, { exclude: ['keep'] }), { facts })
    expect(await bench.read()).toEqual({
      'a/b': '1',
      'a/cache/x': '2',
      'logs/l.log': '2',
      'logs/keep': '1',
      'data/d': '2',
      'new/cache/y': '2',
    })
    expect(await stat(bench.at('live', 'new'))).toMatchObject({ uid: 1234, gid: 5678 })
    expect(warnings).toEqual([])
  })

  it('says what it could not carry over, and where it is', async () => {
    await bench.write({ a: 'file' })
    const facts = { ...(await bench.archive(sourceOf(bench.live))), excludes: ['cache'] }
    await rm(bench.at('live', 'a'))
    await bench.write({ 'a/cache': 'kept' })
    const { warnings, previous } = await bench.restore(sourceOf(bench.live), { facts })
    expect(warnings[0]).toContain('1 excluded paths not carried over')
    expect(warnings[0]).toContain(`: a/cache; until the next backup they are in ${previous}`)
    expect(await bench.read(previous ?? '')).toEqual({ 'a/cache': 'kept' })
  })

  it('leaves what is in use by ourselves where it is, at any depth', async () => {
    await bench.write({ 'a/b': '1', 'a/.holdfast/db': '1', c: '1', 'a/cache/x': '1' })
    const context = { ...bench.context, leaveOut: [bench.at('live', 'a', '.holdfast')] }
    const facts = await bench.archive(sourceOf(bench.live, { exclude: ['cache'] }), context)
    await bench.write({
      'a/b': '2',
      'a/.holdfast/db': '2',
      c: '2',
      'a/cache/x': '2',
      'a/n': '2',
      d: '2',
    })
    await using database = await open(bench.at('live', 'a', '.holdfast', 'db'))
    const before = await database.stat()
    const staged = await bench.restore(
      sourceOf(bench.live),
      { facts },
      { ...context, token: 'token2' },
    )
    const kept = bench.at('live', 'a', '.holdfast')
    const touched = staged.moves.flatMap(({ from, to }) => [from, to])
    expect(touched.filter((path) => `${kept}/`.startsWith(`${path}/`))).toEqual([])
    expect(await bench.read()).toEqual({
      'a/b': '1',
      'a/.holdfast/db': '2',
      c: '1',
      'a/cache/x': '2',
    })
    expect((await stat(bench.at('live', 'a', '.holdfast', 'db'))).ino).toBe(before.ino)
    expect(await bench.read(staged.previous ?? '')).toEqual({
      'a/b': '2',
      c: '2',
      'a/n': '2',
      d: '2',
    })
  })

  it('refuses while something is mounted inside, and says what helps', async () => {
    await bench.write({ a: '1' })
    const facts = await bench.archive(sourceOf(bench.live))
    await using _ = await mountTmpfs(bench.at('live', 'sub', 'mounted'))
    const attempt = bench.restore(sourceOf(bench.live), { facts })
    await expect(attempt).rejects.toBeInstanceOf(RestoreFailed)
    await expect(attempt).rejects.toThrow(`mounted in it: ${bench.at('live', 'sub', 'mounted')}`)
    await expect(attempt).rejects.toMatchObject({ hint: expect.stringContaining('--to') })
  })

  it('refuses a required mount point at which nothing is mounted', async () => {
    await bench.write({ a: '1' })
    const facts = await bench.archive(sourceOf(bench.live))
    const attempt = bench.restore(sourceOf(bench.live, { require_mount: true }), { facts })
    await expect(attempt).rejects.toThrow(`nothing is mounted at ${bench.live}`)
  })

  it('refuses when the disk has no room, before a byte is written', async () => {
    await bench.write({ a: '1' })
    const facts = { ...(await bench.archive(sourceOf(bench.live))), contentBytes: 2 ** 60 }
    await expect(bench.restore(sourceOf(bench.live), { facts })).rejects.toThrow(/not enough space/)
    expect((await readdir(bench.root)).sort()).toEqual(['archive.tar', 'live'])
  })

  it.each([1, 2])('is not ready to swap when the %d. sync tells of a lost write', async (bad) => {
    await bench.write({ a: '1' })
    const facts = await bench.archive(sourceOf(bench.live))
    const fake = `#!/bin/sh\necho "$@" >> "$0.args"\n[ $(wc -l < "$0.args") != ${bad} ]\n`
    await bench.write({ 'bin/sync': fake }, bench.root)
    await chmod(bench.at('bin', 'sync'), 0o755)
    const path = process.env.PATH
    process.env.PATH = `${bench.at('bin')}:${path}`
    try {
      await expect(bench.restore(sourceOf(bench.live), { facts })).rejects.toThrow(/^sync ended/)
    } finally {
      process.env.PATH = path
    }
    const { 'sync.args': asked } = await bench.read(bench.at('bin'))
    expect(asked).toBe(`--file-system ${bench.at('.live.holdfast-staging-token2')}\n`.repeat(bad))
    expect(await readdir(bench.root)).not.toContain('.live.holdfast-previous-token2')
  })

  it('sweeps what a restore that died left behind, and keeps what others left', async () => {
    await bench.write({ a: '1' })
    const facts = await bench.archive(sourceOf(bench.live))
    for (const name of ['.live.holdfast-staging-dead', '.other.holdfast-staging-dead']) {
      await bench.write({ 'tree/x': 'x' }, bench.at(name))
    }
    await bench.restore(sourceOf(bench.live), { facts })
    const names = await readdir(bench.root)
    expect(names).not.toContain('.live.holdfast-staging-dead')
    expect(names).toContain('.other.holdfast-staging-dead')
  })

  it('gives an archive without a root member the look of what it replaces', async () => {
    await bench.write({ a: '2' })
    await chown(bench.live, 1234, 5678)
    await chmod(bench.live, 0o750)
    await writeTar(bench.at('archive.tar'), [{ name: 'a', type: 'file', content: '1' }])
    await bench.restore(sourceOf(bench.live), {})
    expect(await stat(bench.live)).toMatchObject({ uid: 1234, gid: 5678, mode: 0o40750 })
    expect(await bench.read()).toEqual({ a: '1' })
  })
})
