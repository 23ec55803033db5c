import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { StateRefused } from '../../src/lib/errors.ts'
import { openSqliteStore } from '../../src/state/sqlite.ts'
import type { Store } from '../../src/state/store.ts'
import { fill } from './fill.ts'

const SQLITE = JSON.stringify(join(import.meta.dirname, '../../src/state/sqlite.ts'))

let folder: string
let path: string
let opened: Store[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-state-'))
  path = join(folder, 'data', 'state.db')
  opened = []
})

afterEach(async () => {
  for (const store of opened) await store.close()
  rmSync(folder, { recursive: true, force: true })
})

describe('a state that cannot be used is refused:', () => {
  it('a file that is no database', async () => {
    mkdirSync(join(folder, 'data'))
    writeFileSync(path, 'this is a text that is long enough to be looked at as a header'.repeat(99))
    const before = readFileSync(path)
    const refused = await refusal()
    expect(refused.message).toContain('is damaged or no SQLite file')
    expect(refused.hint).toContain('holdfast state adopt')
    expect(readFileSync(path)).toEqual(before)
  })

  it('a database whose pages are damaged, at the latest when they are read', async () => {
    const store = await openSqliteStore({ path })
    fill(path, 2000)
    await store.close()
    truncateSync(path, statSync(path).size / 2)
    const broken = open().then((reopened) => reopened.history({ depth: 'full', jobs: null }))
    const refused = await broken.catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(StateRefused)
    expect((refused as StateRefused).hint).toContain('holdfast state adopt')
  })

  it('a directory', async () => {
    mkdirSync(path, { recursive: true })
    expect((await refusal()).message).toContain('cannot be opened')
  })

  it('a path through a file', async () => {
    writeFileSync(join(folder, 'data'), '')
    const refused = await refusal()
    expect(refused.message).toMatch(/cannot open the state .*: (ENOTDIR|EEXIST)/)
    expect(refused.hint).toContain('data_dir must be a directory')
  })

  it("another program's database, which stays as it was", async () => {
    mkdirSync(join(folder, 'data'))
    const other = new DatabaseSync(path)
    other.exec('create table customers (id)')
    other.close()
    expect((await refusal()).message).toContain('is a database of another program')
    expect(existsSync(`${path}-wal`)).toBe(false)
    const marked = new DatabaseSync(path)
    marked.exec('drop table customers; pragma application_id = 7')
    marked.close()
    expect((await refusal()).message).toContain('is a database of another program')
  })

  it('a file and a directory that this user may not write to', async () => {
    await (await openSqliteStore({ path })).close()
    chmodSync(folder, 0o755)
    chmodSync(path, 0o444)
    chmodSync(join(folder, 'data'), 0o555)
    const code = `
      // Loaded before, for this user may not be let into the checkout.
      const { openSqliteStore } = await import(${SQLITE})
      await (await openSqliteStore({ path: process.argv[1] })).close()
      if (process.getuid() === 0) process.setuid(65534)
      await openSqliteStore({ path: ${JSON.stringify(path)} }).catch((error) =>
        console.log(JSON.stringify({ code: error.code, message: error.message, hint: error.hint })))`
    const warm = join(folder, 'warm.db')
    const child = spawn(process.execPath, ['--input-type=module', '-e', code, warm])
    const [said] = await Promise.all([text(child.stdout), once(child, 'exit')])
    expect(JSON.parse(said)).toMatchObject({
      code: 'state_refused',
      message: expect.stringContaining('cannot be written to'),
      hint: expect.stringContaining('write permission'),
    })
    chmodSync(join(folder, 'data'), 0o755)
  })

  it('a state that another process keeps locked, once patience is over', async () => {
    const store = await open()
    const other = new DatabaseSync(path)
    other.exec('begin immediate')
    const refused = await store.saveFact('a', 'b').catch((error: unknown) => error)
    other.close()
    expect(refused).toBeInstanceOf(StateRefused)
    expect((refused as StateRefused).message).toContain('stayed locked by another process')
    await store.saveFact('a', 'b')
  })
})

async function open(): Promise<Store> {
  const store = await openSqliteStore({ path })
  opened.push(store)
  return store
}

async function refusal(): Promise<StateRefused> {
  const refused = await open().catch((error: unknown) => error)
  if (!(refused instanceof StateRefused)) throw new Error(`not refused: ${String(refused)}`)
  expect(refused.at).toBe(path)
  return refused
}
