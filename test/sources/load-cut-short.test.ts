import { readFile, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { recover } from '../../src/daemon/recover.ts'
import { type DockerEngine, startDocker } from '../services/docker.ts'
import { HASTY, type PostgresServer, startPostgres } from '../services/postgres.ts'
import { makeWorkspace, type Workspace } from '../support/holdfast.ts'
import { inWorld } from '../support/world.ts'
import { dying } from '../volume/support.ts'

const PASSWORD = 'hunter22'
const signal = new AbortController().signal

let docker: DockerEngine
let server: PostgresServer

beforeAll(async () => {
  ;[docker, server] = await Promise.all([startDocker(['mariadb']), startPostgres(HASTY)])
  await docker.run('--name=db', '-e', `MARIADB_ROOT_PASSWORD=${PASSWORD}`, 'mariadb:10')
  while (!(await ask('select 1').catch(() => ''))) await sleep(100)
  await ask('create database shop')
}, 120_000)
afterAll(async () => {
  await docker[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

const ask = (sql: string) =>
  docker.exec('db', 'mariadb', '-uroot', `-p${PASSWORD}`, '-BN', '-e', sql)

function configOf(source: string): string {
  return [
    'data_dir: ./state',
    `docker: { host: "${docker.host}", discover: false }`,
    'targets: { shelf: { type: local, path: ./shelf } }',
    `jobs: { shop: { sources: [{ name: db, ${source} }], targets: [shelf] } }`,
  ].join('\n')
}

const inContainer = () => configOf('type: mariadb, container: db, databases: [shop]')

/** A backup of a server in a container, one row of which is lost since. */
async function ofContainer(): Promise<Workspace> {
  await noneLoading()
  await ask(
    'create or replace table shop.item (id int primary key); insert into shop.item values (1), (2)',
  )
  const work = await makeWorkspace(inContainer())
  await work.ok(['backup', 'create', 'shop'], {})
  await ask('delete from shop.item where id = 2')
  return work
}

/** The client of a restore that was killed goes on for a moment with what it had been given. */
async function noneLoading() {
  const others =
    'select count(*) from information_schema.processlist where db = "shop" and id <> connection_id()'
  while ((await ask(others)) !== '0') await sleep(50)
}

const itemsThere = async () => (await ask('select id from shop.item order by 1')).split('\n')

/** What is told of the one restore once somebody has looked after it. */
async function told(work: Workspace) {
  return await inWorld(work, async (world) => {
    await recover(world, signal)
    const { restores } = await world.store.history({ depth: 'full', jobs: null })
    expect((await world.store.facts('loading:')).size).toBe(0)
    return restores.map(({ status, error }) => [status, error])
  })
}

const WORDS = 'restore shop/db@latest --yes'.split(' ')
const HALF = [['failed', expect.stringMatching(/may be neither the old nor the new/)]]
const NOTHING = [['failed', expect.stringMatching(/nothing was replaced/)]]

describe('a restore that is killed', () => {
  it('as it loads into a server in a container is told to have left what nobody can tell', async () => {
    await using work = await ofContainer()
    const log = work.at('kills')
    const at = { on: 'spawn', match: '/relay\\.', when: 'after', nth: 1 } as const
    expect((await work.run(WORDS, { env: dying(log, at) })).code).toBe(null)
    expect(await readFile(log, 'utf8')).toBe('here\n')
    expect(await told(work)).toEqual(HALF)
  })

  it('before its first byte is loaded is told to have replaced nothing', async () => {
    await using work = await ofContainer()
    const log = work.at('kills')
    const at = { on: 'open', match: '/restore-.*\\.dump$', when: 'after', nth: 1 } as const
    expect((await work.run(WORDS, { env: dying(log, at) })).code).toBe(null)
    expect(await readFile(log, 'utf8')).toBe('here\n')
    expect(await told(work)).toEqual(NOTHING)
    expect(await itemsThere()).toEqual(['1'])
  })

  it.each([
    [
      'as it loads',
      { on: 'spawn', match: 'pg_restore.*--single-transaction', when: 'after' },
      HALF,
    ],
    ['before that', { on: 'open', match: '/restore-.*\\.dump$', when: 'before' }, NOTHING],
  ] as const)('%s into a live PostgreSQL database is told truly', async (_name, at, end) => {
    const url = await server.database()
    await server.ask(url, 'create table item (id int primary key); insert into item values (1)')
    await using work = await makeWorkspace(configOf(`type: postgres, url: "${url}"`))
    await work.ok(['backup', 'create', 'shop'], {})
    const log = work.at('kills')
    const words = [...WORDS, '--in-place']
    const killed = await work.run(words, { env: dying(log, { ...at, nth: 1 }) })
    expect([killed.code, await readFile(log, 'utf8')]).toEqual([null, 'here\n'])
    expect(await told(work)).toEqual(end)
  })
})

describe('a damaged archive', () => {
  it('is refused before a server in a container hears of its first byte', async () => {
    await using work = await ofContainer()
    const [key = ''] = await work.archives('shelf')
    const path = work.at('shelf', key)
    const bytes = await readFile(path)
    // The sum at the end of the frame alone: all before it decompresses.
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
    await writeFile(path, bytes)
    const general = 'set global general_log_file = "/tmp/asked"; set global general_log = 1'
    await ask(general)
    const refused = await work.run(WORDS)
    await ask('set global general_log = 0')
    expect(refused.code).not.toBe(0)
    expect(refused.stderr).toMatch(/damaged|sha256|checksum|decompressed/)
    expect(await docker.exec('db', 'cat', '/tmp/asked')).not.toMatch(/INSERT|DROP/)
    expect(await itemsThere()).toEqual(['1'])
  })
})
