import { chmod, copyFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HASTY, type PostgresServer, startPostgres } from '../services/postgres.ts'
import { call } from '../services/processes.ts'
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

describe('a restore of a database', () => {
  it('goes where it is told to, and says what it replaces', async () => {
    const url = await shopAt()
    const name = nameOf(url)
    await using work = await made(url)
    await work.ok(['backup', 'create'])
    const before = await digestOf(server, url)
    await work.ok(['restore', 'db', '--to-database', `${name}_copy`])
    expect(await server.ask(named(url, `${name}_copy`), 'select count(*) from stock.item')).toEqual(
      ['1000'],
    )
    const again = await work.run(['restore', 'db', '--to-database', `${name}_copy`])
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('is not overwritten')])
    await work.ok(['restore', 'db', '--to', 'shop.dump'])
    expect((await work.read('shop.dump')).startsWith('PGDMP')).toBe(true)
    const both = await work.run(['restore', 'db', '--to', 'x', '--to-database', 'y'])
    expect(both.stderr).toContain('--to, --to-volume and --to-database exclude each other')
    await server.ask(url, 'drop table public."order list"; drop view stock.cheap')
    const one = await work.ok([
      'restore',
      'db',
      '--only',
      'stock.item',
      '--to-database',
      `${name}_one`,
    ])
    expect(one.stdout).toContain('stock.item has its columns and rows')
    await server.ask(url, 'delete from public.letters')
    const rows = await work.ok(['restore', 'db', '--only', 'letters', '--yes'])
    expect(rows.stderr).toMatch(/only the rows of letters are replaced, in one transaction/)
    expect(await server.ask(url, 'select count(*) from public.letters')).toEqual(['300'])
    const whole = await work.ok(['restore', 'db', '--yes'])
    expect(whole.stderr).toMatch(
      new RegExp(`to database ${name} on .*, where there is now: database of `),
    )
    expect(await digestOf(server, url)).toEqual(before)
  })

  it('asks the checks of its job about that database, wherever it goes', async () => {
    const [url, other] = [await server.database(), await server.database()]
    for (const one of [url, other]) await server.ask(one, 'create table t as select 1 as id')
    const of = (expect: string) => `
data_dir: ./state
targets: { shelf: { type: local, path: ./shelf } }
jobs:
  db:
    sources: [{ type: postgres, url: "${url}", databases: [${nameOf(url)}, ${nameOf(other)}] }]
    checks: [{ name: rows, source: ${nameOf(url)}, sql: select count(*) from t, expect: "${expect}" }]
`
    await using work = await makeWorkspace(of('> 1'))
    await work.ok(['backup', 'create'])
    await server.ask(url, 'delete from t')
    const to = (name: string, ...more: string[]) => ['restore', `db/${nameOf(name)}`, ...more]
    for (const more of [['--yes'], ['--to-database', `${nameOf(url)}_copy`]]) {
      const { code, stderr } = await work.run(to(url, ...more))
      expect([code, stderr]).toEqual([1, expect.stringContaining('"rows" of the restored')])
    }
    const beside = (await databases()).filter((one) => one.startsWith(`${nameOf(url)}_`))
    expect([beside, await server.ask(url, 'select count(*) from t')]).toEqual([[], ['0']])
    await work.ok(to(other, '--yes'))
    await work.write({ 'holdfast.yml': of('= 1') })
    expect((await work.ok(to(url, '--yes'))).stdout).toContain('1 check passed')
  })

  it('in place changes the live database, keeps nothing, and is for databases alone', async () => {
    const url = await server.database()
    await server.ask(url, 'create table t as select 1 as id')
    await using work = await makeWorkspace(`
data_dir: ./state
targets: { shelf: { type: local, path: ./shelf } }
jobs:
  db: { sources: [{ type: postgres, url: "${url}" }] }
  files: { sources: [{ type: directory, path: ./live }] }
`)
    await work.write({ 'live/a': 'a' })
    await work.ok(['backup', 'create'])
    await server.ask(url, 'delete from t; create table since (id int)')
    const shown = await work.ok(['restore', 'db', '--in-place', '--yes'])
    expect(shown.stderr).toMatch(/nothing is kept of what it replaces/)
    expect(await server.ask(url, 'select * from t')).toEqual(['1'])
    expect(await server.ask(url, `select to_regclass('since')`)).toEqual(['since'])
    const refused = await work.run(['restore', 'files', '--in-place', '--yes'])
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringContaining('only a PostgreSQL database can'),
    ])
  })
})

describe('the programs of PostgreSQL', () => {
  it('are told what the file says, and no password by their arguments', async () => {
    const url = await server.database()
    await server.ask(url, SHOP)
    const secret = 'hunter22 at home'
    const told = url.replace(/app:[^@]*/, `app:${encodeURIComponent(secret)}`)
    await using work = await makeWorkspace(`
data_dir: ./state
targets: { shelf: { type: local, path: ./shelf } }
jobs:
  db: { sources: [{ type: postgres, url: "${told}", format: directory, jobs: 3, compress: 5, globals: true }] }
  as-vardo: { format: vardo, sources: [{ type: postgres, url: "${told}" }] }
`)
    const calls = ['-e', 'trace=execve', '-e', 'signal=none', '-s', '100000']
    const through = ['strace', '-f', '-qq', '-A', '-o', work.at('calls'), ...calls]
    const before = await digestOf(server, url)
    await work.ok(['backup', 'create'], { through })
    await work.ok(['restore', 'db/postgres', '--yes'], { through })
    expect(await digestOf(server, url)).toEqual(before)
    const seen = await work.read('calls')
    for (const words of [
      /pg_dump", "--format=directory", "--compress=5", .*"--jobs=3"/,
      /pg_dumpall", "--globals-only"/,
      /pg_restore", "--jobs=3"/,
      /psql", "-XAtq"/,
    ]) {
      expect(seen).toMatch(words)
    }
    expect(seen).not.toMatch(/hunter22/)
    const archive = (await work.archives('shelf')).find((one) => one.endsWith('.dump.gz')) ?? ''
    const copy = named(url, `${nameOf(url)}_copy`)
    await server.ask(url, `create database ${nameOf(copy)}`)
    const load = `gzip -dc "$1" | psql -Xq -v ON_ERROR_STOP=1 --output=/dev/null "$2"`
    await call('sh', ['-o', 'errexit', '-c', load, 'sh', work.at('shelf', archive), copy])
    // All but what the database has beside its content.
    expect((await digestOf(server, copy)).slice(0, -1)).toEqual(before.slice(0, -1))
  })
})

describe('databases: all', () => {
  it('is each database by itself, found anew at each run, the roles first', async () => {
    await using own = await startPostgres(HASTY)
    const url = await own.database()
    await own.ask(url, `create database "it's odd"`)
    await using work = await made(named(url, 'postgres'), ', databases: all, globals: true')
    const sources = async () => {
      await work.ok(['backup', 'create'])
      const { document } = await work.ok(['backup', 'list', '--json'])
      return document.backups.map(
        (one: { source: string; status: string }) => `${one.source} ${one.status}`,
      )
    }
    const first = await sources()
    expect(first.sort()).toEqual([
      'globals success',
      expect.stringMatching(/^it-s-odd-[0-9a-f]{8} success$/),
      'postgres success',
      `${nameOf(url)} success`,
    ])
    await own.ask(url, 'create database later')
    expect((await sources()).filter((one: string) => one.startsWith('later'))).toEqual([
      'later success',
    ])
    expect((await work.ok(['restore', 'db/globals', '--yes'])).stdout).toMatch(/roles: 0 made/)
    const plan = await work.run(['plan', '--json'])
    expect(
      plan.document.warnings.filter((one: { rule: string }) => one.rule === 'source-unreachable'),
    ).toEqual([])
    await own.stop()
    const blind = await work.run(['plan', '--json'])
    expect(blind.document.warnings).toContainEqual(
      expect.objectContaining({
        rule: 'source-unreachable',
        message: expect.stringContaining('Connection refused'),
      }),
    )
  })
})

describe('a database that was lost, and made anew empty', () => {
  it('gets its settings, rights, comment and limit back with its content', async () => {
    const url = await shopAt()
    await using work = await made(url)
    const before = await digestOf(server, url)
    await work.ok(['backup', 'create'])
    const admin = named(url, 'postgres')
    await server.ask(admin, `drop database ${nameOf(url)}`)
    await server.ask(admin, `create database ${nameOf(url)}`)
    await work.ok(['restore', 'db', '--yes'])
    expect(await digestOf(server, url)).toEqual(before)
  })
})

describe('programs of an older version than the server', () => {
  it('are told by plan, and back up nothing', async () => {
    const url = await shopAt()
    await using work = await made(url)
    for (const program of ['pg_dump', 'psql', 'pg_restore']) {
      await work.write({ [`old/real/${program}`]: '' })
      const real = work.at(`old/real/${program}`)
      await copyFile(`/usr/lib/postgresql/15/bin/${program}`, real)
      const told = `--version) echo "${program} (PostgreSQL) 14.9";;`
      const script = `#!/bin/sh\ncase "$1" in ${told} *) exec ${real} "$@";; esac\n`
      await work.write({ [`old/${program}`]: script })
      for (const path of [real, work.at(`old/${program}`)]) await chmod(path, 0o755)
    }
    // Debian has each version in a folder of its own, and the newest would be taken.
    const hidden = 'mount -t tmpfs none /usr/lib/postgresql && exec "$@"'
    const old = {
      env: { PATH: `${work.at('old')}:${process.env.PATH}` },
      through: ['unshare', '--mount', 'sh', '-c', hidden, 'sh'],
    }
    const { stdout } = await work.ok(['plan'], old)
    expect(stdout).toContain('client-too-old')
    expect(stdout).toContain('is PostgreSQL 15, and pg_dump here is only 14: backups will fail')
    const { code, stderr } = await work.run(['backup', 'create'], old)
    expect(code).toBe(1)
    expect(stderr).toContain('postgresql-client-15')
  })
})
