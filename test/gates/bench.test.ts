import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { dataset, planFiles } from '../../bench/dataset.ts'

const run = promisify(execFile)
const SIZE = { bytes: 8 * 2 ** 20, files: 200 }

let cache = ''

beforeAll(async () => {
  cache = await mkdtemp(join(tmpdir(), 'holdfast-bench-'))
})

afterAll(async () => {
  await rm(cache, { recursive: true, force: true })
})

describe('the bench', () => {
  it('measures each way to back up and to restore, and prints one table', async () => {
    const { stdout } = await run(process.execPath, [
      join(import.meta.dirname, '..', '..', 'bench', 'run.ts'),
      ...['--size', '8MiB', '--files', '200', '--rounds', '1', '--cache', cache],
    ])
    expect(stdout).toContain('8 MiB in 200 files')
    for (const what of ['backup', 'restore']) {
      const [script, holdfast] = ['tar | zstd | age', 'holdfast'].map((name) =>
        cellsOf(stdout, `${what}: ${name}`),
      )
      expect(script).toMatchObject({ ratio: 1 })
      expect(holdfast?.seconds).toBeGreaterThan(0)
      expect(holdfast?.peak).toBeGreaterThan(30)
      expect(holdfast?.stored).toBe(script?.stored)
    }
    const left = await readdir(cache)
    expect(left.filter((name) => name.startsWith('run-'))).toEqual([])
  })

  it('makes the same data each time', async () => {
    const other = await mkdtemp(join(tmpdir(), 'holdfast-bench-'))
    try {
      const [one, two] = [await dataset(cache, SIZE), await dataset(other, SIZE)]
      await run('diff', ['--recursive', '--brief', one, two])
    } finally {
      await rm(other, { recursive: true, force: true })
    }
  })

  it('plans as many files and bytes as it is asked for', () => {
    const files = planFiles({ bytes: 2 ** 30, files: 25_000 })
    expect(files).toHaveLength(25_000)
    expect(files.reduce((sum, { bytes }) => sum + bytes, 0) / 2 ** 30).toBeCloseTo(1, 2)
    expect(new Set(files.map(({ path }) => path)).size).toBe(files.length)
  })
})

/** The row of the table that begins with `name`. */
function cellsOf(table: string, name: string) {
  const line = table.split('\n').find((one) => one.startsWith(`${name} `)) ?? ''
  const [seconds, ratio, , , peak, , stored] = line
    .slice(name.length)
    .trim()
    .split(/ +/)
    .map(Number)
  return { seconds, ratio, peak, stored }
}
