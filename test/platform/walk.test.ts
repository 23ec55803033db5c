import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { walkFiles } from '../../src/platform/walk.ts'
import { traced } from '../support/strace.ts'

const WALK = import.meta.resolve('../../src/platform/walk.ts')
const never = new AbortController().signal

describe('walkFiles', () => {
  it('gives every regular file below the root, and nothing for a folder that is missing', async () => {
    const root = await grow(['a', 'b/c', 'b/d/e', '.hidden/f', 'b c/ü'])
    await symlink(join(root, 'b'), join(root, 'link'))

    expect(await walked(root, '')).toEqual(['.hidden/f', 'a', 'b c/ü', 'b/c', 'b/d/e'])
    expect(await walked(root, 'missing/')).toEqual([])
    expect(await walked(join(root, 'missing'), '')).toEqual([])
    expect(await walked(root, 'a/')).toEqual([])
  })

  it('reads no folder that cannot hold a path of the prefix', async () => {
    const root = await grow(['org/app1/x', 'org/app2/x', 'org/zoo/x', 'other/y'])
    const code = `import(${JSON.stringify(WALK)}).then(async ({ walkFiles }) => {
      const { signal } = new AbortController()
      for await (const files of walkFiles(${JSON.stringify(root)}, 'org/app', signal)) console.log(files)
    })`

    const { calls } = await traced(['-e', code], 'openat')

    const read = calls.filter((call) => call.includes('O_DIRECTORY') && call.includes(root))
    expect(read.map((call) => /holdfast-walk-\w+\/([^"]*)"/.exec(call)?.[1]).sort()).toEqual([
      'org/',
      'org/app1/',
      'org/app2/',
    ])
  })

  it('lets others have their turn while it walks', async () => {
    const root = await grow(Array.from({ length: 5000 }, (_, n) => `many/${n}`))
    let turns = 0
    let walking = true
    const count = () => {
      turns++
      if (walking) setImmediate(count)
    }
    setImmediate(count)

    const files = await walked(root, '')
    walking = false

    expect(files.length).toBe(5000)
    expect(turns).toBeGreaterThanOrEqual(5)
  })

  it('stops with the signal’s reason in the midst of a walk', async () => {
    const root = await grow(Array.from({ length: 1500 }, (_, n) => `many/${n}`))
    const controller = new AbortController()
    const reason = new Error('stop')
    let slices = 0
    const walking = (async () => {
      for await (const _ of walkFiles(root, '', controller.signal)) {
        slices++
        controller.abort(reason)
      }
    })()

    await expect(walking).rejects.toBe(reason)
    expect(slices).toBe(1)
  })
})

async function walked(root: string, prefix: string): Promise<string[]> {
  const all: string[] = []
  for await (const files of walkFiles(root, prefix, never)) all.push(...files)
  return all.sort()
}

async function grow(files: readonly string[]): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'holdfast-walk-'))
  onTestFinished(() => rm(root, { recursive: true, force: true }))
  for (const folder of new Set(files.map((file) => dirname(file)))) {
    await mkdir(join(root, folder), { recursive: true })
  }
  await Promise.all(files.map((file) => writeFile(join(root, file), '')))
  return root
}
