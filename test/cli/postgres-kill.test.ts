import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HASTY, type PostgresServer, startPostgres } from '../services/postgres.ts'
import { makeWorkspace } from '../support/holdfast.ts'
import { run } from '../support/processes.ts'
import { digestOf, SHOP } from '../support/shop.ts'

let server: PostgresServer

beforeAll(async () => {
  server = await startPostgres(HASTY)
}, 60_000)

afterAll(async () => {
  await server[Symbol.asyncDispose]()
})

/** More programs than one restore starts. */
const MOST = 40
/** All of them in the long form. */
const STEP = process.env.STORM_ROUNDS ? 1 : 2

describe('a restore that is killed as it starts a program of PostgreSQL', () => {
  // Just after the start the program lives on, and does what it was told without anybody there.
  it.each(['before', 'after'] as const)(
    'is finished or taken back at the next start, wherever it was (%s)',
    async (when) => {
      const url = await server.database()
      const name = url.slice(url.lastIndexOf('/') + 1)
      const admin = url.replace(/[^/]*$/, 'postgres')
      await server.ask(url, SHOP)
      const old = await digestOf(server, url)
      await using work = await makeWorkspace(`
data_dir: ./state
targets: { shelf: { type: local, path: ./shelf } }
jobs: { db: { sources: [{ type: postgres, url: "${url}" }] } }
`)
      await work.ok(['backup', 'create'])
      let hits = 0
      const ends = new Set<string>()
      for (let nth = 1; nth <= MOST; nth += STEP) {
        await server.ask(url, 'drop table if exists since; create table since (id int)')
        const now = await digestOf(server, url)
        const log = work.at('order.log')
        const order = {
          phase: `spawn ${nth}`,
          on: 'spawn',
          match: 'bin/(psql|pg_restore)',
          when,
          nth,
        } as const
        const killAt = { ...order, victim: 'self', delay: 0, log } as const
        const struck = await run(['restore', 'db', '--yes'], { cwd: work.root, killAt })
        // Whatever works next puts it in order first.
        await work.ok(['state', 'adopt'])
        const found = await digestOf(server, url)
        const how = JSON.stringify(found) === JSON.stringify(old) ? 'new' : 'old'
        expect(found, `killed ${when} program ${nth}`).toEqual(how === 'new' ? old : now)
        const beside = await server.ask(
          admin,
          `select datname from pg_database where datname like '${name}\\_\\_restoring%'`,
        )
        expect(beside, `killed ${when} program ${nth}`).toEqual([])
        if (!struck.hit) {
          expect(struck.code).toBe(0)
          break
        }
        hits++
        ends.add(how)
      }
      expect(hits).toBeGreaterThan(5)
      expect([...ends].sort()).toEqual(['new', 'old'])
    },
    170_000,
  )
})

/** Every rename of ours waits for this lock of the database `postgres`. */
const GATE = 0x484f4c46

describe('a restore that is killed while its renames wait, and whose psql lives on', () => {
  it.each(['after they are made', 'while they still wait'] as const)(
    'is the old database or the new one for whoever looks %s',
    async (when) => {
      const url = await server.database()
      const name = url.slice(url.lastIndexOf('/') + 1)
      const admin = url.replace(/[^/]*$/, 'postgres')
      await server.ask(url, SHOP)
      const old = await digestOf(server, url)
      await using work = await makeWorkspace(`
data_dir: ./state
targets: { shelf: { type: local, path: ./shelf } }
jobs: { db: { sources: [{ type: postgres, url: "${url}" }] } }
`)
      await work.ok(['backup', 'create'])
      await server.ask(url, 'create table since (id int)')
      const now = await digestOf(server, url)
      const locks = async (which: string) =>
        Number(
          await server.ask(
            admin,
            `select count(*) from pg_locks where locktype = 'advisory' and objid = ${GATE} and ${which}`,
          ),
        )
      const gate = spawn('psql', [admin, '-XAtq'], { stdio: ['pipe', 'ignore', 'ignore'] })
      const open = async () => {
        gate.stdin.end()
        if (gate.exitCode === null) await once(gate, 'exit')
      }
      try {
        gate.stdin.write(`select pg_advisory_lock(${GATE});\n`)
        while ((await locks('granted')) === 0);
        const restore = work.start(['restore', 'db', '--yes'])
        await restore.until(async () => (await locks('not granted')) === 1)
        await restore.end('SIGKILL')
        expect(await locks('not granted')).toBe(1)
        if (when === 'while they still wait') {
          const next = work.start(['state', 'adopt'])
          const isOver = () => next.child.exitCode !== null
          await next.until(async () => isOver() || (await locks('not granted')) > 1)
          await open()
          expect((await next.ended).code).toBe(0)
        }
        await open()
        while ((await locks('true')) > 0);
      } finally {
        await open()
      }
      await work.ok(['state', 'adopt'])
      const found = await digestOf(server, url)
      expect([now, old]).toContainEqual(found)
      if (when === 'after they are made') return expect(found).toEqual(old)
      await work.ok(['restore', 'db', '--yes'])
      expect(await digestOf(server, url)).toEqual(old)
      await work.ok(['backup', 'create'])
      expect(
        await server.ask(admin, `select datname from pg_database where datname like '${name}%'`),
      ).toEqual([name])
    },
    170_000,
  )
})
