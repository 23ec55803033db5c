import { execFileSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ArchiveDamaged } from '../../src/lib/errors.ts'
import { readThrough } from '../../src/stream/unseal.ts'
import { HASTY, type PostgresServer, startPostgres } from '../services/postgres.ts'

let server: PostgresServer
let url: string

beforeAll(async () => {
  server = await startPostgres(HASTY)
  url = await server.database()
  await server.ask(url, 'create table t as select n, md5(n::text) from generate_series(1, 20000) n')
}, 60_000)

afterAll(() => server[Symbol.asyncDispose]())

function dump(...args: readonly string[]): Buffer {
  return execFileSync('pg_dump', [...args, url], { maxBuffer: 2 ** 26 })
}

/** Reads a copy, for what is read is freed. */
async function read(content: Buffer, layer: string) {
  async function* body() {
    for (let at = 0; at < content.length; at += 65_536) {
      yield new Uint8Array(content.subarray(at, at + 65_536))
    }
  }
  return await readThrough(body(), { layers: [layer], keys: [] }, new AbortController().signal)
}

describe('a dump of PostgreSQL that is read through', () => {
  it('is whole', async () => {
    const whole = dump('-Fc', '-Z0')
    expect((await read(whole, 'pgdump')).content.bytes).toBe(whole.length)
    expect((await read(dump(), 'sql')).entries).toBe(null)
  })

  it.each([0.3, 0.9, 0.999])('is found damaged when it is cut off at %f', async (share) => {
    for (const [content, layer] of [
      [dump('-Fc', '-Z0'), 'pgdump'],
      [dump(), 'sql'],
    ] as const) {
      const cut = content.subarray(0, Math.floor(content.length * share))
      await expect(read(cut, layer)).rejects.toBeInstanceOf(ArchiveDamaged)
    }
  })

  it('is found damaged when it is something else', async () => {
    await expect(read(Buffer.from('PGDMP and no more'), 'pgdump')).rejects.toThrow(ArchiveDamaged)
    await expect(read(Buffer.alloc(0), 'pgdump')).rejects.toThrow(ArchiveDamaged)
  })
})
