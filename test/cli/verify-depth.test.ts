import { afterAll, beforeAll, expect, it } from 'vitest'
import { HASTY, type PostgresServer, startPostgres } from '../services/postgres.ts'
import { makeWorkspace } from '../support/holdfast.ts'

let server: PostgresServer

beforeAll(async () => {
  server = await startPostgres(HASTY)
}, 60_000)
afterAll(() => server[Symbol.asyncDispose]())

/** As a host on which no client programs of PostgreSQL are installed. */
const WITHOUT_CLIENTS = [
  ...['unshare', process.getuid?.() === 0 ? '-m' : '-mr'],
  ...['sh', '-ec', 'mount -t tmpfs none /usr/lib/postgresql && exec "$@"', 'sh'],
]

it('verify says that a dump was read only where something was there to read it', async () => {
  const url = await server.database()
  await server.ask(url, 'create table item (id int)')
  const sources = `{ type: postgres, url: "${url}" }, { type: directory, path: ./live }`
  await using work = await makeWorkspace(
    [
      'data_dir: ./state',
      'targets: { shelf: { type: local, path: ./shelf } }',
      `jobs: { shop: { sources: [${sources}], targets: [shelf] } }`,
    ].join('\n'),
  )
  await work.write({ 'live/a': 'held fast' })
  await work.ok(['backup', 'create', 'shop'], {})
  const verify = async (through: readonly string[]) => {
    const { stderr } = await work.ok(['backup', 'verify', '--all'], { through })
    const lines = stderr.split('\n').filter((line) => line.includes('verified '))
    return lines
      .map((line) => line.replace(/.*\.([a-z]+)\.zst on shelf \([^,]*, (.*)\).*/, '$1: $2'))
      .sort()
  }
  expect(await verify([])).toEqual(['dump: read to its end', 'tar: read to its end'])
  expect(await verify(WITHOUT_CLIENTS)).toEqual([
    expect.stringMatching(/^dump: unpacked to its end, .*not read: pg_restore is not installed/),
    'tar: read to its end',
  ])
})
