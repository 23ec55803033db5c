import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { StateRefused } from '../../src/lib/errors.ts'
import { Secret } from '../../src/lib/secret.ts'
import { openPostgresStore } from '../../src/state/postgres.ts'
import { type PgBouncer, startPgBouncer } from '../services/pgbouncer.ts'
import { HASTY, type PostgresServer, startPostgres } from '../services/postgres.ts'
import { freePorts } from '../services/processes.ts'
import { openAt } from './open-at.ts'

let server: PostgresServer
let pooler: PgBouncer

beforeAll(async () => {
  server = await startPostgres(HASTY)
  pooler = await startPgBouncer(server)
})

afterAll(async () => {
  await pooler[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

describe('a state on PostgreSQL is refused with a hint, without its password:', () => {
  it('a server that nobody answers at', async () => {
    const [port = 0] = await freePorts(1)
    const refused = await refusal(`postgres://app:hush-hush@127.0.0.1:${port}/holdfast`)
    expect(refused.message).toBe(
      `cannot open the state: the state 127.0.0.1:${port}/holdfast cannot be reached (connect ECONNREFUSED 127.0.0.1:${port})`,
    )
    expect(refused.hint).toContain('pg_isready')
  })

  it('a database that does not exist', async () => {
    const refused = await refusal(addressOf({ database: 'nothing' }))
    expect(refused.message).toContain('does not exist')
    expect(refused.hint).toContain('createdb')
  })

  it('a user or a password that is wrong', async () => {
    const unknown = await refusal(addressOf({ user: 'mallory' }))
    expect(unknown.message).toContain('does not let us in')
    const wrong = await refusal(pooler.through(addressOf({})))
    expect(wrong.message).toContain('does not let us in')
  })

  it('a user who may not make a schema; one made for it serves', async () => {
    const url = await server.database()
    const name = nameOf(url)
    await server.ask(url, 'create role guest login')
    const guest = addressOf({ user: 'guest', database: name })
    const refused = await refusal(guest)
    expect(refused.message).toContain('permission denied')
    expect(refused.hint).toContain(`grant create on database "${name}"`)
    await server.ask(url, 'create schema holdfast; grant usage, create on schema holdfast to guest')
    const store = await openAt(guest)
    await store.saveFact('a', 'b')
    await store.close()
  })

  it('a schema of our name that is another program owns', async () => {
    const url = await server.database()
    await server.ask(url, 'create schema holdfast; create table holdfast.schema (version int)')
    const refused = await refusal(url)
    expect(refused.message).toContain("another program's")
    expect(await server.ask(url, '\\dt holdfast.*')).toHaveLength(1)
  })

  it('nothing because of what others keep beside it', async () => {
    const url = await server.database()
    await server.ask(url, 'create table backups (id int); create table schema (id int)')
    await (await openAt(url)).close()
    expect(await server.ask(url, 'select count(*) from public.backups')).toEqual(['0'])
  })

  it('an address that cannot be read', async () => {
    const refused = await refusal('postgres://app:hush-hush@[nowhere/holdfast')
    expect(refused.hint).toContain('postgres://user:password@host:5432/database')
  })

  it('a database that takes no writes, once patience is over', async () => {
    const url = await server.database()
    const store = await openPostgresStore({
      url: new Secret(url),
      direct: null,
      patience: 300 as never,
    })
    await server.ask(url, `alter database ${nameOf(url)} set default_transaction_read_only = on`)
    await server.ask(url, END_SESSIONS)
    await expect(store.saveFact('a', 'b')).rejects.toThrow('takes no writes')
    expect(await store.fact('a')).toBeNull()
    await store.close()
  })
})

const END_SESSIONS = `select pg_terminate_backend(pid) from pg_stat_activity
  where datname = current_database() and pid <> pg_backend_pid()`

function nameOf(url: string): string {
  return new URL(url).pathname.slice(1)
}

function addressOf({ user = 'app', database = 'postgres' }): string {
  return `postgres://${user}:hush-hush@127.0.0.1:${server.port}/${database}`
}

async function refusal(url: string): Promise<StateRefused> {
  const options = { url: new Secret(url), direct: null, patience: 300 as never }
  const refused = await openPostgresStore(options).catch((error: unknown) => error)
  if (!(refused instanceof StateRefused)) throw new Error(`not refused: ${String(refused)}`)
  expect(inspect(refused, { depth: 9 })).not.toContain('hush-hush')
  return refused
}
