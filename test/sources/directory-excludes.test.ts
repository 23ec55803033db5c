import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ConfigError } from '../../src/lib/errors.ts'
import {
  excluder,
  type Pattern,
  parsePatterns,
  tarExcludes,
} from '../../src/sources/tree/excludes.ts'
import { walk } from '../../src/sources/tree/walk.ts'
import { type Bench, makeBench, sourceOf } from '../support/directories.ts'
import { text } from '../support/trees.ts'

const FILES = [
  'a',
  'b/a',
  'b/.a',
  'b/ab/a.b',
  'b/ab/b',
  'ab/ab/a',
  'ab/b/ab/b.a',
  '.a/b',
  '.a/.b/a',
  '.b',
  '..a/b',
  '-a/a b',
  '*/b',
  '[a]/a*b',
  'a\\b/a',
  'ü/aü/b',
  'b-/-',
  'A/B/a',
  'a.b/b.a/a-b',
  ']/^',
]

let bench: Bench

beforeAll(async () => {
  bench = await makeBench()
  for (const file of FILES) {
    await mkdir(dirname(join(bench.live, file)), { recursive: true })
    await writeFile(join(bench.live, file), file)
  }
})

afterAll(async () => await bench[Symbol.asyncDispose]())

function parsed(texts: readonly string[]): readonly Pattern[] {
  const patterns = parsePatterns(texts)
  if ('fault' in patterns) throw new Error(patterns.fault)
  return patterns
}

/** What real tar archives, without `./`, folders without their slash. */
function kept(patterns: readonly Pattern[], leftOut: readonly string[] = []): readonly string[] {
  const args = ['--create', '--file=/dev/null', '--verbose', '--quoting-style=literal']
  const where = [`--directory=${bench.live}`, ...tarExcludes(patterns, leftOut), '.']
  return text('env', ['LC_ALL=C', 'tar', ...args, ...where])
    .split('\n')
    .filter(Boolean)
    .map((name) => name.replace(/^\.\//, '').replace(/\/$/, ''))
    .sort()
}

/** The same by our own word. */
async function keptByMatcher(patterns: readonly Pattern[]): Promise<readonly string[]> {
  const isExcluded = excluder(patterns, [])
  const names = ['']
  const signal = new AbortController().signal
  for await (const { path } of walk(bench.live, signal, (folder) => !isExcluded(folder))) {
    if (!isExcluded(path)) names.push(path)
  }
  return names.sort()
}

const piece = fc.constantFrom(
  ...['a', 'b', 'ab', '.', '.a', 'ü', '-', 'A', ']', '^'],
  ...['*', '*', '?', '/', '\\*', '\\a', '\\[', '\\\\', '[ab]', '[!a]', '[^.]', '[.a]', '[*-z]'],
)
const pattern = fc
  .array(piece, { minLength: 1, maxLength: 6 })
  .map((pieces) => pieces.join(''))
  .filter((one) => !('fault' in parsePatterns([one])))

describe('excludes', () => {
  it('mean to our own matcher what they mean to tar', async () => {
    const property = fc.asyncProperty(
      fc.array(pattern, { minLength: 1, maxLength: 3 }),
      async (texts) => {
        const patterns = parsed(texts)
        expect(await keptByMatcher(patterns)).toEqual(kept(patterns))
      },
    )
    await fc.assert(property, { numRuns: 300 })
  })

  it.each(['*', '.*', '?', '**', '*?', '[!a]*', '[.a]', '[!b]', '[*-z]*', '*[^a]*'])(
    'never leave out the root itself by %s',
    async (text) => {
      const patterns = parsed([text])
      expect(kept(patterns)).toContain('')
      expect(kept(patterns)).toEqual(await keptByMatcher(patterns))
    },
  )

  it('match a name without a slash at any depth, and prune a folder whole', () => {
    const names = kept(parsed(['ab']))
    expect(names.filter((name) => name.split('/').includes('ab'))).toEqual([])
    expect(names).toContain('b/a')
  })

  it('match a path with a slash from the root on, and let its star cross slashes', () => {
    const names = kept(parsed(['b/*b']))
    expect(names).not.toContain('b/ab')
    expect(names).toContain('ab/b/ab/b.a')
    expect(kept(parsed(['ab/*.a']))).not.toContain('ab/b/ab/b.a')
  })

  it('are the same with a slash or ./ before them and a slash behind', () => {
    for (const text of ['b/ab/', './b/ab', '/b/ab', './/b/ab//']) {
      expect(kept(parsed([text]))).toEqual(kept(parsed(['b/ab'])))
    }
  })

  it('leave out paths of ours literally', () => {
    for (const path of ['*', '[a]', 'a\\b', 'ü', '.a', '-a']) {
      const names = kept([], [path])
      const top = Buffer.from(path).toString('latin1')
      expect(names.some((name) => name === top || name.startsWith(`${top}/`))).toBe(false)
      expect(names.length).toBeGreaterThan(30)
    }
  })

  it.each([
    [['']],
    [['/']],
    [['a/../b']],
    [['./.']],
    [['..']],
    [['a//b']],
    [['a\nb']],
    [['a[b']],
    [['a\\']],
    [['[[:alpha:]]']],
    [['x'.repeat(201)]],
    [Array.from({ length: 101 }, (_, index) => `p${index}`)],
  ])('are refused by the name of their key when they are no patterns: %j', (exclude) => {
    const attempt = () => sourceOf(bench.live, { exclude })
    expect(attempt).toThrow(ConfigError)
    expect(attempt).toThrow(/jobs\.test\.sources\[0\]\.exclude/)
  })
})
