import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HASTY, type PostgresServer, startPostgres } from '../services/postgres.ts'
import { makeWorkspace, type Workspace } from '../support/holdfast.ts'
import { digestOf, SHOP } from '../support/shop.ts'

let server: PostgresServer

beforeAll(async () => {
  server = await startPostgres(HASTY)
}, 60_000)

afterAll(async () => {
  await server[Symbol.asyncDispose]()
})

const named = (url: string, name: string) => url.replace(/[^/]*$/, name)
const nameOf = (url: string) => url.slice(url.lastIndexOf('/') + 1)

async function shopAt(): Promise<string> {
  const url = await server.database()
  await server.ask(url, SHOP)
  const name = nameOf(url)
  await server.ask(
    url,
    `alter database ${name} set search_path to stock, "$user", public; alter database ${name} set work_mem to '7MB';
     alter database ${name} connection limit 42; comment on database ${name} is 'It''s the shop';
     revoke connect on database ${name} from public; grant connect on database ${name} to app`,
  )
  return url
}

const config = (url: string, source = '', job = '') => `
data_dir: ./state
targets: { shelf: { type: local, path: ./shelf } }
jobs: { db: { sources: [{ type: postgres, url: "${url}"${source} }]${job} } }
`

async function databases(): Promise<readonly string[]> {
  return await server.ask(
    named(await server.database(), 'postgres'),
    'select datname from pg_database order by 1',
  )
}

async function made(url: string, source = '', job = ''): Promise<Workspace> {
  return await makeWorkspace(config(url, source, job))
}

describe.each(['custom', 'directory', 'plain'])('a database in the format %s', (format) => {
  it('is brought back whole, with its properties, and the old one is kept until the next success', async () => {
    const url = await shopAt()
    const name = nameOf(url)
    await using work = await made(url, `, format: ${format}`)
    const before = await digestOf(server, url)
    await work.ok(['backup', 'create'])
    await server.ask(
      url,
      `drop table public.letters; delete from "order list"; create table since (id int)`,
    )
    const restored = await work.run(['restore', 'db', '--yes'])
    expect(restored.stderr + restored.stdout).toMatch(/kept as/)
    expect(restored.code).toBe(0)
    expect(await digestOf(server, url)).toEqual(before)
    const kept = (await databases()).filter((one) => one.startsWith(name))
    expect(kept).toEqual([name, expect.stringMatching(/__before_\d{8}t\d{6}z$/)])
    expect((await work.ok(['backup', 'verify', '--all'])).code).toBe(0)
    await work.ok(['backup', 'create'])
    expect((await databases()).filter((one) => one.startsWith(name))).toEqual([name])
  })
})
