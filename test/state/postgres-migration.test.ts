import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { StateRefused } from '../../src/lib/errors.ts'
import type { Migration } from '../../src/state/migration.ts'
import { MIGRATIONS } from '../../src/state/migrations.ts'
import type { Store } from '../../src/state/store.ts'
import { HASTY, type PostgresServer, startPostgres } from '../services/postgres.ts'
import { FOURTH, SECOND, THIRD } from './later-migrations.ts'
import { openAt } from './open-at.ts'

const N = MIGRATIONS.length
const V1 = MIGRATIONS
const V2 = [...V1, SECOND]
const V3 = [...V2, THIRD]
const V4 = [...V3, FOURTH]

let server: PostgresServer
let url: string
let opened: Store[]

beforeAll(async () => {
  server = await startPostgres(HASTY)
})

afterAll(async () => {
  await server[Symbol.asyncDispose]()
})

beforeEach(async () => {
  url = await server.database()
  opened = []
})

afterEach(async () => {
  for (const store of opened) await store.close()
})

describe('the schema on PostgreSQL', () => {
  it('serves this version and the one before in processes that write at the same time', async () => {
    await (await openAt(url, V1)).close()
    const children = ['1', '2'].map((which) =>
      fork(join(import.meta.dirname, 'version-child.ts'), [url, which], { execArgv: [] }),
    )
    const ends = await Promise.all(children.map((child) => once(child, 'exit')))
    expect(ends).toEqual([
      [0, null],
      [0, null],
    ])
    const { backups } = await (await open(V2)).history({ depth: 'full', jobs: null })
    expect(backups).toHaveLength(100)
    expect(await version()).toBe(N + 1)
  })

  it('is the same whether a state grew up or was born to it', async () => {
    for (const migrations of [V1, V2, V3, V4]) await (await openAt(url, migrations)).close()
    const grown = await schema()
    url = await server.database()
    await (await openAt(url, V4)).close()
    expect(await schema()).toEqual(grown)
    expect(grown.length).toBeGreaterThan(50)
  })

  it('is refused by versions further apart, older and newer, and stays untouched', async () => {
    await (await openAt(url, V3)).close()
    const before = await schema()
    await expect(open(V1)).rejects.toThrow(
      `the state has schema version ${N + 2}, this program works with ${N - 1} to ${N + 1}`,
    )
    expect(await schema()).toEqual(before)
    url = await server.database()
    await (await openAt(url, V1)).close()
    await expect(open(V3)).rejects.toMatchObject({
      hint: expect.stringContaining('one schema version at a time'),
    })
    expect(await version()).toBe(N)
  })

  it('stops the writes of a program that it has left behind', async () => {
    const old = await open(V1)
    await open(V2)
    await old.saveFact('a', '1')
    await open(V3)
    await expect(old.saveFact('a', '2')).rejects.toThrow(StateRefused)
    await expect(old.takeLease('a', 'one' as never, 1000 as never)).rejects.toThrow(
      `schema version ${N + 2}`,
    )
    expect(await (await open(V3)).fact('a')).toBe('1')
  })

  it('stays as it was when a step fails half-way', async () => {
    await (await openAt(url, V1)).close()
    const before = await schema()
    const broken: Migration = {
      version: N + 1,
      async expand(db) {
        await SECOND.expand(db)
        throw new Error('power cut')
      },
    }
    await expect(open([...V1, broken])).rejects.toThrow('power cut')
    expect(await schema()).toEqual(before)
    await open(V2)
  })

  it('is made, and moved on, by one of many that come at the same moment', async () => {
    await Promise.all(Array.from({ length: 6 }, () => open(V1)))
    expect(await version()).toBe(N)
    const stores = await Promise.all(Array.from({ length: 6 }, () => open(V2)))
    for (const store of stores) await store.saveFact('a', 'b')
    expect(await version()).toBe(N + 1)
  })

  it('waits for those that read, and for those that write', async () => {
    const busy = await open(V1)
    const writing = Promise.all(
      Array.from({ length: 200 }, (_, index) => busy.saveFact(`f${index}`, 'x')),
    )
    await Promise.all([open(V2), writing])
    expect(await version()).toBe(N + 1)
    expect(await busy.fact('f199')).toBe('x')
  })
})

async function open(migrations: readonly Migration[]): Promise<Store> {
  const store = await openAt(url, migrations)
  opened.push(store)
  return store
}

async function version(): Promise<number> {
  const [found] = await server.ask(url, 'select version from holdfast.schema')
  return Number(found)
}

function schema(): Promise<readonly string[]> {
  return server.ask(
    url,
    `select c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, ''
      from pg_attribute a join pg_class c on c.oid = a.attrelid
      join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = 'holdfast' and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped
    union all select tablename, indexname, indexdef, true, '' from pg_indexes
      where schemaname = 'holdfast'
    union all select conrelid::regclass::text, conname, pg_get_constraintdef(oid), true, ''
      from pg_constraint where connamespace = 'holdfast'::regnamespace
    order by 1, 2, 3`,
  )
}
