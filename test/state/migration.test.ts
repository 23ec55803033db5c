import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { StateRefused } from '../../src/lib/errors.ts'
import type { Migration } from '../../src/state/migration.ts'
import { MIGRATIONS } from '../../src/state/migrations.ts'
import { openSqliteStore } from '../../src/state/sqlite.ts'
import type { Store } from '../../src/state/store.ts'
import { backupOf, minute, runOf } from '../contract/history-fixtures.ts'
import { FOURTH, SECOND, THIRD } from './later-migrations.ts'

/** The version of this program. */
const N = MIGRATIONS.length
const V1 = MIGRATIONS
const V2 = [...V1, SECOND]
const V3 = [...V2, THIRD]
const V4 = [...V3, FOURTH]

let folder: string
let path: string
let opened: Store[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-migration-'))
  path = join(folder, 'state.db')
  opened = []
})

afterEach(async () => {
  for (const store of opened) await store.close()
  rmSync(folder, { recursive: true, force: true })
})

describe('the schema', () => {
  it('has steps that ascend from 1 without gaps', () => {
    expect(MIGRATIONS.map(({ version }) => version)).toEqual(MIGRATIONS.map((_, at) => at + 1))
  })

  it('serves this version and the one before side by side', async () => {
    const old = await open(V1)
    const fresh = await open(V2)
    const oldAgain = await open(V1)
    expect(version()).toBe(N + 1)
    for (const [index, store] of [old, fresh, oldAgain].entries()) {
      const run = runOf(`r${index}`, 'shop', index)
      await store.openRun(run)
      expect(await store.openBackup(backupOf(run))).toBe('opened')
    }
    for (const store of [old, fresh, oldAgain]) {
      expect((await store.history({ depth: 'full', jobs: null })).backups).toHaveLength(3)
    }
  })

  it('serves them in two processes that write at the same time', async () => {
    await (await openSqliteStore({ path, migrations: V1 })).close()
    const children = ['1', '2'].map((which) =>
      fork(join(import.meta.dirname, 'version-child.ts'), [path, which], { execArgv: [] }),
    )
    const ends = await Promise.all(children.map((child) => once(child, 'exit')))
    expect(ends).toEqual([
      [0, null],
      [0, null],
    ])
    const { backups } = await (await open(V2)).history({ depth: 'full', jobs: null })
    expect(backups).toHaveLength(100)
    expect(version()).toBe(N + 1)
  })

  it('is expanded at once, and contracted only when the state moves further on', async () => {
    await (await open(V2)).saveFact('a', 'b')
    expect(columnsOf('facts')).toEqual(['key', 'value', 'note'])
    expect(indexes()).toContain('outbox_due')
    await open(V3)
    expect(columnsOf('fences')).toContain('since')
    expect(indexes()).not.toContain('outbox_due')
    expect(indexes()).toContain('backups_run')
    await open(V4)
    expect(indexes()).not.toContain('backups_run')
  })

  it('is the same whether a state grew up or was born to it', async () => {
    for (const migrations of [V1, V2, V3, V4])
      await (await openSqliteStore({ path, migrations })).close()
    const grown = schema(path)
    const born = join(folder, 'born.db')
    await (await openSqliteStore({ path: born, migrations: V4 })).close()
    expect(schema(born)).toEqual(grown)
  })

  it('is left alone by the version before', async () => {
    await (await openSqliteStore({ path, migrations: V2 })).close()
    const before = schema(path)
    await open(V1)
    expect(schema(path)).toEqual(before)
    expect(version()).toBe(N + 1)
  })

  it('is refused by versions further apart, older and newer, and stays untouched', async () => {
    await (await openSqliteStore({ path, migrations: V3 })).close()
    const before = readFileSync(path)
    await expect(open(V1)).rejects.toThrow(
      `the state has schema version ${N + 2}, this program works with ${N - 1} to ${N + 1}`,
    )
    await expect(open(V1)).rejects.toMatchObject({
      hint: expect.stringContaining('a newer Holdfast'),
    })
    expect(readFileSync(path)).toEqual(before)

    rmSync(path)
    await (await openSqliteStore({ path, migrations: V1 })).close()
    await expect(open(V3)).rejects.toThrow(
      `the state has schema version ${N}, this program works with ${N + 1} to ${N + 3}`,
    )
    await expect(open(V3)).rejects.toMatchObject({
      hint: expect.stringContaining('one schema version at a time'),
    })
    expect(version()).toBe(N)
  })

  it('stops the writes of a program that it has left behind', async () => {
    const old = await open(V1)
    await open(V2)
    await old.saveFact('a', '1')
    await open(V3)
    await expect(old.saveFact('a', '2')).rejects.toThrow(StateRefused)
    await expect(old.takeFence('a', 'one' as never)).rejects.toThrow(`schema version ${N + 2}`)
    expect(await (await open(V3)).fact('a')).toBe('1')
  })

  it('stays as it was when a step fails half-way', async () => {
    await (await openSqliteStore({ path, migrations: V1 })).close()
    const before = schema(path)
    const broken: Migration = {
      version: N + 1,
      async expand(db) {
        await SECOND.expand(db)
        throw new Error('power cut')
      },
    }
    await expect(open([...V1, broken])).rejects.toThrow('power cut')
    expect(schema(path)).toEqual(before)
    expect(version()).toBe(N)
    await open(V2)
  })

  it('is moved on by one of many processes that come at once', async () => {
    await (await openSqliteStore({ path, migrations: V1 })).close()
    const stores = await Promise.all([open(V2), open(V2), open(V2)])
    for (const store of stores) await store.saveFact('a', String(minute(0)))
    expect(version()).toBe(N + 1)
  })
})

async function open(migrations: readonly Migration[]): Promise<Store> {
  const store = await openSqliteStore({ path, migrations })
  opened.push(store)
  return store
}

function ask(file: string, sql: string): Record<string, unknown>[] {
  const sqlite = new DatabaseSync(file, { readOnly: true })
  try {
    return sqlite.prepare(sql).all()
  } finally {
    sqlite.close()
  }
}

function version(): unknown {
  return ask(path, 'select version from schema')[0]?.version
}

function schema(file: string): unknown[] {
  return ask(file, 'select type, name, sql from sqlite_schema order by name').map((row) => ({
    ...row,
  }))
}

function columnsOf(table: string): unknown[] {
  return ask(path, `select name from pragma_table_info('${table}')`).map((row) => row.name)
}

function indexes(): unknown[] {
  return ask(path, `select name from sqlite_schema where type = 'index'`).map((row) => row.name)
}
