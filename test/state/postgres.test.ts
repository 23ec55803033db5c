import { afterAll, afterEach, beforeAll } from 'vitest'
import { Secret } from '../../src/lib/secret.ts'
import { openPostgresStore } from '../../src/state/postgres.ts'
import type { Store } from '../../src/state/store.ts'
import { storeContract } from '../contract/store.ts'
import { type PgBouncer, startPgBouncer } from '../services/pgbouncer.ts'
import { type PostgresServer, startPostgres } from '../services/postgres.ts'

let server: PostgresServer
let pooler: PgBouncer
let opened: Store[] = []

beforeAll(async () => {
  server = await startPostgres()
  pooler = await startPgBouncer(server)
})

afterAll(async () => {
  await pooler[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

afterEach(async () => {
  for (const store of opened) await store.close()
  opened = []
})

storeContract('PostgreSQL', async () => {
  const url = await server.database()
  return { store: await open(url), again: () => open(url) }
})

storeContract('PostgreSQL behind PgBouncer', async () => {
  const url = pooler.through(await server.database())
  return { store: await open(url), again: () => open(url) }
})

async function open(url: string): Promise<Store> {
  const store = await openPostgresStore({ url: new Secret(url), direct: null })
  opened.push(store)
  return store
}
