import { chmodSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { BACKUP_COLUMNS } from '../../src/state/rows.ts'
import { openSqliteStore } from '../../src/state/sqlite.ts'
import type { Store } from '../../src/state/store.ts'
import { backupOf, runOf } from '../contract/history-fixtures.ts'
import { storeContract } from '../contract/store.ts'
import { fill } from './fill.ts'

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

storeContract('SQLite', async () => ({ store: await open(), again: open }))

describe('a state in a SQLite file', () => {
  it('is readable by its owner alone', async () => {
    await open()
    expect(statSync(join(folder, 'data')).mode & 0o777).toBe(0o700)
    for (const suffix of ['', '-wal', '-shm']) {
      expect(statSync(path + suffix).mode & 0o777).toBe(0o600)
    }
  })

  it('is made private again when its file was opened up', async () => {
    await (await openSqliteStore({ path })).close()
    chmodSync(path, 0o644)
    await open()
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })

  it('guards a slot in the database itself, for programs that do not ask first', async () => {
    const store = await open()
    const run = runOf('r1', 'shop', 0)
    await store.openRun(run)
    await store.openBackup(backupOf(run))
    const raw = new DatabaseSync(path)
    const rest = BACKUP_COLUMNS.slice(1).map((name) => `"${name}"`)
    const steal = raw.prepare(
      `insert into backups (id, ${rest}) select 'thief', ${rest} from backups`,
    )
    expect(() => steal.run()).toThrow('UNIQUE constraint failed')
    raw.exec(`update backups set status = 'failed'`)
    steal.run()
    raw.close()
  })

  it('reads the recent history without reading the long one', async () => {
    const store = await open()
    fill(path, 100_000)
    const full = await quickest(3, () => store.history({ depth: 'full', jobs: null }))
    const recent = await quickest(5, () => store.history({ depth: 'recent', jobs: null }))
    // Measured 400 to 600 ms and 13 ms: a ratio in one run, whatever runs beside it.
    expect(recent).toBeLessThan(full / 5)
  })

  it('lets the process do other things while it reads a long history', async () => {
    const store = await open()
    fill(path, 20_000)
    let turns = 0
    const ticking = setInterval(() => turns++, 1)
    await store.history({ depth: 'full', jobs: null })
    clearInterval(ticking)
    expect(turns).toBeGreaterThan(5)
  })
})

async function open(): Promise<Store> {
  const store = await openSqliteStore({ path })
  opened.push(store)
  return store
}

async function quickest(times: number, work: () => Promise<unknown>): Promise<number> {
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < times; round++) {
    const start = performance.now()
    await work()
    best = Math.min(best, performance.now() - start)
  }
  return best
}
