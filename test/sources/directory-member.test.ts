import { chmod, mkdir, readFile, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { SourceFacts } from '../../src/core/manifest.ts'
import { RestoreFailed } from '../../src/lib/errors.ts'
import { type Bench, makeBench, sourceOf } from '../support/directories.ts'
import { writeTar } from '../support/tars.ts'
import { mountTmpfs, text } from '../support/trees.ts'

let bench: Bench

beforeEach(async () => {
  bench = await makeBench()
})

afterEach(async () => await bench[Symbol.asyncDispose]())

describe('a restore of one member', () => {
  beforeEach(async () => {
    await bench.write({ 'a/b/c': '1', 'a/b/d': '1', 'a/e': '1', f: '1', '-g': '1' })
    await chmod(bench.at('live', 'a'), 0o711)
    await chmod(bench.at('live', 'a', 'b'), 0o750)
  })

  async function changed(): Promise<SourceFacts> {
    const facts = await bench.archive(sourceOf(bench.live))
    await bench.write({ 'a/b/c': '2', 'a/b/d': '2', 'a/e': '2', f: '2', '-g': '2', 'a/b/n': '2' })
    return facts
  }

  it('replaces that file alone, and keeps the old one', async () => {
    const facts = await changed()
    const staged = await bench.restore(sourceOf(bench.live), { facts, only: './a/b/c/' })
    expect(await bench.read()).toMatchObject({ 'a/b/c': '1', 'a/b/d': '2', 'a/b/n': '2', f: '2' })
    expect(await readFile(staged.previous ?? '', 'utf8')).toBe('2')
    expect(staged.summary).toBe(`a/b/c into ${bench.at('live', 'a', 'b', 'c')}`)
    await bench.restore(
      sourceOf(bench.live),
      { facts, only: '-g' },
      { ...bench.context, token: 'token3' },
    )
    expect(await bench.read()).toMatchObject({ '-g': '1' })
  })

  it('replaces that folder alone, whole', async () => {
    const facts = await changed()
    await bench.restore(sourceOf(bench.live), { facts, only: 'a/b' })
    expect(await bench.read()).toEqual({
      'a/b/c': '1',
      'a/b/d': '1',
      'a/e': '2',
      f: '2',
      '-g': '2',
    })
  })

  it('brings back missing folders above it with their modes', async () => {
    const facts = await bench.archive(sourceOf(bench.live))
    await rm(bench.at('live', 'a'), { recursive: true })
    await bench.restore(sourceOf(bench.live), { facts, only: 'a/b/c' })
    expect(await bench.read()).toEqual({ 'a/b/c': '1', f: '1', '-g': '1' })
    expect((await stat(bench.at('live', 'a'))).mode & 0o777).toBe(0o711)
    expect((await stat(bench.at('live', 'a', 'b'))).mode & 0o777).toBe(0o750)
  })

  it('puts it at the new path, or a file into the empty folder', async () => {
    const facts = await changed()
    await bench.restore(sourceOf(bench.live), { facts, only: 'a/b', to: bench.at('to') })
    expect(await bench.read(bench.at('to'))).toEqual({ c: '1', d: '1' })
    await bench.restore(sourceOf(bench.live), { facts, only: 'f', to: bench.at('file') })
    expect(await readFile(bench.at('file'), 'utf8')).toBe('1')
    await mkdir(bench.at('folder'))
    await bench.restore(sourceOf(bench.live), { facts, only: 'a/e', to: bench.at('folder') })
    expect(await bench.read(bench.at('folder'))).toEqual({ e: '1' })
  })

  it('works inside a mount point', async () => {
    await using _ = await mountTmpfs(bench.at('mount'))
    await bench.write({ 'a/b': '1', c: '1' }, bench.at('mount'))
    const facts = await bench.archive(sourceOf(bench.at('mount')))
    await bench.write({ 'a/b': '2', c: '2' }, bench.at('mount'))
    const staged = await bench.restore(sourceOf(bench.at('mount')), { facts, only: 'a' })
    expect(dirname(staged.previous ?? '')).toBe(bench.at('mount'))
    await rm(staged.previous ?? '', { recursive: true })
    expect(await bench.read(bench.at('mount'))).toEqual({ 'a/b': '1', c: '2' })
  })

  it('finds members of archives that others made', async () => {
    await writeTar(bench.at('archive.tar'), [
      { name: 'a/b/c', type: 'file', content: '9' },
      { name: 'f', type: 'file', content: '9' },
    ])
    await bench.restore(sourceOf(bench.live), { only: 'a/b/c' })
    expect(await bench.read()).toMatchObject({ 'a/b/c': '9', f: '1' })
  })

  it('fails when the archive holds no such member, and changes nothing', async () => {
    const facts = await changed()
    const before = await bench.read()
    for (const only of ['a/zzz', 'b', 'a/b/c/d']) {
      await expect(bench.restore(sourceOf(bench.live), { facts, only })).rejects.toThrow(
        RestoreFailed,
      )
    }
    const missing = bench.restore(sourceOf(bench.live), { facts, only: 'a/zzz' })
    await expect(missing).rejects.toThrow('the archive holds no a/zzz')
    const out = bench.restore(sourceOf(bench.live), { facts, only: 'a/../../x' })
    await expect(out).rejects.toThrow('leads out of the archive')
    expect(await bench.read()).toEqual(before)
  })

  it('names the file that shares its content when that was not asked for', async () => {
    text('ln', [bench.at('live', 'f'), bench.at('live', 'z')])
    const facts = await bench.archive(sourceOf(bench.live))
    const attempt = bench.restore(sourceOf(bench.live), { facts, only: 'z' })
    await expect(attempt).rejects.toThrow(/Cannot hard link to '\.\/f'/)
    await expect(attempt).rejects.toMatchObject({ hint: expect.stringContaining('z shares') })
  })
})
