import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { walkTar } from '../../src/stream/tar-walk.ts'

let folder: string
let tar: Buffer

/** Files of every kind of size, one of them all zeros, with names that need records of their own. */
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tar-walk-'))
  mkdirSync(join(folder, 'in'))
  for (const size of [0, 1, 511, 512, 513, 5000]) {
    writeFileSync(join(folder, 'in', `${'long'.repeat(40)}-${size}`), 'x'.repeat(size))
  }
  writeFileSync(join(folder, 'in', 'zeros'), Buffer.alloc(8192))
  tar = execFileSync('tar', ['--format=posix', '-b1', '-cf-', '-C', join(folder, 'in'), '.'])
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function isWhole(...chunks: readonly Buffer[]): boolean {
  const walk = walkTar()
  for (const chunk of chunks) walk.take(chunk)
  return walk.isWhole()
}

describe('the walk along a tar', () => {
  it('finds its end, however it comes in pieces', () => {
    expect(isWhole(tar)).toBe(true)
    fc.assert(
      fc.property(fc.array(fc.nat(tar.length), { maxLength: 20 }), (cuts) => {
        const at = [0, ...cuts.toSorted((a, b) => a - b), tar.length]
        const pieces = at.slice(1).map((end, index) => tar.subarray(at[index], end))
        expect(isWhole(...pieces)).toBe(true)
      }),
      { numRuns: 50 },
    )
  })

  it('takes none that is cut for whole, not even within zeros of a file', () => {
    for (let end = 0; end < tar.length; end += 256) {
      expect(isWhole(tar.subarray(0, end)), `${end} of ${tar.length}`).toBe(false)
    }
  })

  it.each(['posix', 'gnu'])('goes past a file that octal digits are too few for: %s', (format) => {
    const big = join(folder, 'big')
    writeFileSync(big, '')
    truncateSync(big, 9 * 2 ** 30)
    // Its header alone: nine GiB of zeros would only be counted.
    const head = execFileSync('bash', [
      '-c',
      `tar --format=${format} -cf- -C '${folder}' big | head -c 4096`,
    ])
    const walk = walkTar()
    walk.take(head)
    walk.take(Buffer.alloc(64 * 1024))
    expect(walk.isWhole()).toBe(false)
  })

  it.each(['posix', 'gnu'])('tells of each member once, records or not: %s', (format) => {
    const members: string[] = []
    const words = [`--format=${format}`, '-cf-', '-C', join(folder, 'in'), '.']
    walkTar((name) => members.push(name)).take(execFileSync('tar', words))
    expect(members.toSorted().map((name) => name.slice(0, 6))).toEqual([
      './',
      ...Array.from({ length: 6 }, () => './long'),
      './zero',
    ])
  })

  it('tells of one by the begin of its path, where that is split', () => {
    const [above, below] = ['.holdfast-old'.padEnd(90, 'o'), 'name'.repeat(20)]
    const lone = join(folder, 'lone')
    mkdirSync(join(lone, above), { recursive: true })
    writeFileSync(join(lone, above, below), '')
    const members: string[] = []
    const words = ['--format=ustar', '-cf-', '-C', lone, `${above}/${below}`]
    walkTar((name) => members.push(name)).take(execFileSync('tar', words))
    expect(members).toEqual([`${above}/${below}`])
  })

  it.each(['posix', 'gnu'])('keeps nothing of what it was given: %s', (format) => {
    const tar = execFileSync('tar', [`--format=${format}`, '-cf-', '-C', join(folder, 'in'), '.'])
    for (const size of [100, 700, 1300]) {
      const walk = walkTar()
      for (let at = 0; at < tar.length; at += size) {
        const chunk = Buffer.from(new Uint8Array(tar.subarray(at, at + size)).buffer)
        walk.take(chunk)
        chunk.buffer.transfer()
      }
      expect(walk.isWhole()).toBe(true)
    }
  })

  it('refuses what has no size', () => {
    expect(() => walkTar().take(Buffer.alloc(512, 'no tar at all'))).toThrow(RangeError)
  })
})
