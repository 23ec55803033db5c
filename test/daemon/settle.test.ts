import { renameSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Instant } from '../../src/core/model.ts'
import { firstGeneration, reload } from '../../src/daemon/reload.ts'
import { ConfigError } from '../../src/lib/errors.ts'
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
  setTimeout(() => writeFileSync(path, config(2)), 20)
  const found = await looking
  if (found.kind !== 'changed') throw new Error(found.kind)
  expect(found.generation.desired.limits.concurrency).toBe(2)
})

it('waits for no writer that never ends: it says so, and keeps what runs', async () => {
  const running = await firstGeneration(path, ambient())
  let count = 10
  // In this very thread, so that no look can come before a write that is due.
  const writing = setInterval(() => {
    writeFileSync(`${path}.new`, config(count++))
    renameSync(`${path}.new`, path)
  }, 10)
  const found = await reload(running, ambient(), NEVER)
  clearInterval(writing)
  expect(found.kind).toBe('unsettled')
})

it('finds nothing changed where a file was written anew with what it held', async () => {
  const running = await firstGeneration(path, ambient())
  await writeFile(path, config(1))
  expect(await reload(running, ambient(), NEVER)).toEqual({ kind: 'unchanged' })
})

it.each([
  ['data_dir', { data_dir: 'elsewhere' }],
  ['deployment', { deployment: 'other' }],
  ['http.listen', { http: { listen: '127.0.0.1:7789' } }],
  ['state', { state: 'postgres://me:new@db.example/holdfast' }],
  ['state_direct', { state_direct: 'postgres://me:new@direct.example/holdfast' }],
  ['redis', { redis: 'redis://:new@cache.example' }],
  ['instance', { instance: { id: 'one', labels: ['other'] } }],
])(
  'refuses another %s, which was opened once and for all, and names no secret of it',
  async (key, change) => {
    const before = {
      data_dir: 'state',
      http: { listen: '127.0.0.1:7788' },
      state: 'postgres://me:old@db.example/holdfast',
      state_direct: 'postgres://me:old@direct.example/holdfast',
      redis: 'redis://:old@cache.example',
      instance: { id: 'one', labels: ['nas'] },
      jobs: {},
    }
    await writeFile(path, JSON.stringify(before))
    const running = await firstGeneration(path, ambient())
    await writeFile(path, JSON.stringify({ ...before, ...change }))
    const found = await reload(running, ambient(), NEVER)
    if (found.kind !== 'rejected') throw new Error(found.kind)
    if (!(found.error instanceof ConfigError)) throw found.error
    expect(found.error.faults).toMatchObject([
      {
        path: key,
        message: `${key} cannot change while the daemon runs`,
        hint: 'restart the daemon',
      },
    ])
    expect(found.error.message).not.toContain('new')
    // What may change is taken.
    await writeFile(path, JSON.stringify({ ...before, limits: { concurrency: 7 } }))
    expect((await reload(running, ambient(), NEVER)).kind).toBe('changed')
  },
)
