import { afterAll, beforeAll } from 'vitest'
import { section } from '../../src/core/section.ts'
import { Secret } from '../../src/lib/secret.ts'
import { postgres } from '../../src/sources/postgres.ts'
import { sourceContract } from '../contract/source.ts'
import { HASTY, type PostgresServer, startPostgres } from '../services/postgres.ts'
import { digestOf, SHOP } from '../support/shop.ts'

let server: PostgresServer

beforeAll(async () => {
  server = await startPostgres(HASTY)
}, 60_000)

afterAll(async () => {
  await server[Symbol.asyncDispose]()
})

for (const format of ['custom', 'directory', 'plain']) {
  sourceContract(`postgres in the format ${format}`, async () => {
    const url = await server.database()
    await server.ask(url, SHOP)
    const at = (name: string) => url.replace(/[^/]*$/, name)
    const source = (address: string) =>
      postgres.configure(section('source', { url: new Secret(address), format }))
    const elsewhere = `${url.slice(url.lastIndexOf('/') + 1)}_copy`
    return {
      source: source(url),
      broken: source(at('missing')),
      contents: (to) => digestOf(server, to === null ? url : at(elsewhere)),
      change: async () =>
        void (await server.ask(
          url,
          'delete from stock.item where id > 1000; drop view stock.cheap',
        )),
      elsewhere: `database:${elsewhere}`,
      dispose: async () => {},
    }
  })
}
