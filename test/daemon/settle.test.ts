import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Instant } from '../../src/core/model.ts'
import { firstGeneration, reload } from '../../src/daemon/reload.ts'
import { sourceKinds } from '../../src/sources/index.ts'
import { targetKinds } from '../../src/targets/index.ts'

const NEVER = new AbortController().signal

let folder: string
let path: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-settle-'))
  path = join(folder, 'holdfast.yml')
  await writeFile(path, config(1))
})

afterEach(() => rm(folder, { recursive: true }))

function config(concurrency: number): string {
  return `data_dir: state\nlimits: { concurrency: ${concurrency} }\njobs: {}\n`
}

function ambient() {
  return {
    env: {},
    cwd: folder,
    now: () => Date.now() as Instant,
    version: 'test',
    plugins: { sources: sourceKinds, targets: targetKinds },
    report: () => {},
    progress: () => {},
  }
}

it('takes nothing of a file that is still written to, however bad it looks meanwhile', async () => {
  const running = await firstGeneration(path, ambient())
  await writeFile(path, config(2).slice(0, 30))
  const looking = reload(running, ambient(), NEVER)
  await writeFile(path, config(2))
  const found = await looking
  if (found.kind !== 'changed') throw new Error(found.kind)
  expect(found.generation.desired.limits.concurrency).toBe(2)
})

it('waits for no writer that never ends: it says so, and keeps what runs', async () => {
  const running = await firstGeneration(path, ambient())
  let isOver = false
  const writing = (async () => {
    for (let count = 10; !isOver; count++) {
      await writeFile(`${path}.new`, config(count))
      await rename(`${path}.new`, path)
    }
  })()
  const found = await reload(running, ambient(), NEVER)
  isOver = true
  await writing
  expect(found.kind).toBe('unsettled')
})

it('finds nothing changed where a file was written anew with what it held', async () => {
  const running = await firstGeneration(path, ambient())
  await writeFile(path, config(1))
  expect(await reload(running, ambient(), NEVER)).toEqual({ kind: 'unchanged' })
})
