import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmod,
  chown,
  copyFile,
  mkdtemp,
  open,
  readFile,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Millis, Options } from '../../src/core/model.ts'
import { section } from '../../src/core/section.ts'
import { ArchiveDamaged, RestoreFailed, SourceFailed } from '../../src/lib/errors.ts'
import { Secret } from '../../src/lib/secret.ts'
import { parseAddress } from '../../src/sources/postgres/address.ts'
import { askChecks } from '../../src/sources/postgres/checks.ts'
import { serverByAddress } from '../../src/sources/postgres/server.ts'
import { postgres } from '../../src/sources/postgres.ts'
import type { Source } from '../../src/sources/source.ts'
import { archiveTo, restoreFrom, taskOf } from '../contract/source.ts'
import { HASTY, type PostgresServer, startPostgres } from '../services/postgres.ts'
import { mountTmpfs } from '../support/mounts.ts'
import { digestOf, SHOP } from '../support/shop.ts'

let home: string
let server: PostgresServer
let root: string
const token = 'aaaaaaaaaaaaaaaaaa'
const place = () => ({ scratch: root, leaveOut: [], token })
const NEVER = new AbortController().signal

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'holdfast-hba-'))
  await chmod(home, 0o755)
  const rules = [
    'host all strict 127.0.0.1/32 scram-sha-256',
    'local all all trust',
    'host all all 127.0.0.1/32 trust',
  ]
  await writeFile(join(home, 'hba'), `${rules.join('\n')}\n`)
  server = await startPostgres([
    ...HASTY,
    `hba_file=${join(home, 'hba')}`,
    'max_prepared_transactions=5',
  ])
}, 60_000)

afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await rm(home, { recursive: true, force: true })
})

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'holdfast-postgres-'))
})

afterEach(() => rm(root, { recursive: true, force: true }))

const at = (url: string, name: string) => url.replace(/[^/]*$/, encodeURIComponent(name))
const nameOf = (url: string) => url.slice(url.lastIndexOf('/') + 1)

function sourceOf(url: string, options: Options = {}): Source {
  return postgres.configure(section('source', { url: new Secret(url), ...options }))
}

async function shop(): Promise<string> {
  const url = await server.database()
  await server.ask(url, SHOP)
  return url
}

async function databases(like: string): Promise<readonly string[]> {
  const all = await server.ask(
    at(await server.database(), 'postgres'),
    'select datname from pg_database order by 1',
  )
  return all.filter((name) => name.startsWith(like))
}

/** A session that runs `sql` and stays; resolves once the server knows it. */
async function session(url: string, sql: string, name: string): Promise<ChildProcess> {
  const child = spawn('psql', [url, '-XAtq'], {
    stdio: ['pipe', 'ignore', 'ignore'],
    env: { ...process.env, PGAPPNAME: name },
  })
  child.stdin?.write(`${sql}\n`)
  const seen = `select 1 from pg_stat_activity where application_name = '${name}' and state = 'idle in transaction'`
  await until(async () => (await server.ask(at(url, 'postgres'), seen)).length > 0)
  return child
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition()));
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

describe('a dump', () => {
  it('of a wrong password fails with a hint, and does not repeat it', async () => {
    const url = await shop()
    await server.ask(url, `create role strict login password 'right one'`).catch(() => {})
    const wrong = url.replace(/app:[^@]*/, 'strict:hunter22')
    const failed = await archiveTo(join(root, 'a'), sourceOf(wrong), place()).catch(
      (error) => error,
    )
    expect(failed).toBeInstanceOf(SourceFailed)
    expect(failed.message).toMatch(/password authentication failed for user "strict"/)
    expect(failed.hint).toMatch(/correct user and password/)
    expect(JSON.stringify([failed.message, failed.hint])).not.toContain('hunter22')
  })

  it('of a database that is dropped meanwhile fails', async () => {
    const url = await shop()
    const holder = await session(url, 'begin; lock table stock.item;', 'holder-drop')
    try {
      const dumping = archiveTo(join(root, 'a'), sourceOf(url), place()).catch((error) => error)
      const waits = `select 1 from pg_stat_activity where datname = '${nameOf(url)}' and wait_event_type = 'Lock'`
      await until(async () => (await server.ask(at(url, 'postgres'), waits)).length > 0)
      await server.ask(at(url, 'postgres'), `drop database ${nameOf(url)} with (force)`)
      const failed = await dumping
      expect(failed).toBeInstanceOf(SourceFailed)
      expect(failed.message).toMatch(/dump of .* failed: .*(terminat|closed the connection)/)
      expect(failed.hint).toMatch(/dropped|stopped/)
    } finally {
      await end(holder)
    }
  })

  it('waits no longer than lock_timeout for a table that is being altered', async () => {
    const url = await shop()
    const holder = await session(
      url,
      'begin; alter table stock.item add column more int;',
      'holder-alter',
    )
    try {
      const source = sourceOf(url, { lock_timeout: 100 })
      const failed = await archiveTo(join(root, 'a'), source, place()).catch((error) => error)
      expect([failed.code, failed.hint]).toEqual([
        'source_failed',
        expect.stringMatching(/being altered/),
      ])
    } finally {
      await end(holder)
    }
  })

  it('that is smaller than min_size fails, and one that is not tells its size', async () => {
    const url = await shop()
    const small = archiveTo(join(root, 'a'), sourceOf(url, { min_size: 10 ** 8 }), place())
    await expect(small).rejects.toThrow(/less than min_size/)
    const report = await archiveTo(join(root, 'b'), sourceOf(url, { min_size: 1000 }), place())
    expect(report.contentBytes).toBe((await stat(join(root, 'b'))).size)
  })

  it('of roles leaves passwords out, aloud, unless the archive is encrypted and the user may read them', async () => {
    const url = await server.database()
    await server.ask(
      url,
      `create role clerk login password 'secret words'; grant pg_monitor to clerk`,
    )
    const plain = join(root, 'plain')
    const bare = await archiveTo(plain, sourceOf(url, { globals: true }), place())
    expect(bare.warnings.join()).toMatch(
      /passwords of roles are not in it, for the archive is not encrypted/,
    )
    expect(await readFile(plain, 'utf8')).toMatch(/CREATE ROLE clerk;(?![\s\S]*SCRAM)/)
    await server.ask(url, 'create role watcher login')
    const asWatcher = url.replace(/app:[^@]*/, 'watcher')
    const modest = await archiveTo(
      join(root, 'modest'),
      sourceOf(asWatcher, { globals: true, role_passwords: true }),
      place(),
    )
    expect(modest.warnings.join()).toMatch(
      /passwords of roles are not in it, for the user is no superuser/,
    )
    expect(modest.facts).toMatchObject({ passwords: false })
    expect(await readFile(join(root, 'modest'), 'utf8')).toMatch(
      /CREATE ROLE clerk;(?![\s\S]*SCRAM)/,
    )
    const full = join(root, 'full')
    const all = await archiveTo(
      full,
      sourceOf(url, { globals: true, role_passwords: true }),
      place(),
    )
    expect(all.warnings).toEqual([])
    expect(await readFile(full, 'utf8')).toMatch(/SCRAM-SHA-256/)
    await server.ask(
      url,
      `alter role clerk password 'other words'; create role "odd ""; x" ; comment on role clerk is 'a; b'`,
    )
    const task = { facts: all.facts }
    const before = await server.ask(
      url,
      `select rolpassword from pg_authid where rolname = 'clerk'`,
    )
    const left = await restoreFrom(full, sourceOf(url, { globals: true }), taskOf(task), place())
    expect(left.warnings.join()).toMatch(/exist already and were left as they are: .*clerk/)
    expect(
      await server.ask(url, `select rolpassword from pg_authid where rolname = 'clerk'`),
    ).toEqual(before)
    await server.ask(url, 'drop role clerk; drop role "odd ""; x"')
    const made = await restoreFrom(full, sourceOf(url, { globals: true }), taskOf(task), place())
    expect(made.summary).toBe('roles: 1 made')
    expect(await server.ask(url, `select pg_has_role('clerk', 'pg_monitor', 'member')`)).toEqual([
      't',
    ])
  })
})

describe('a restore', () => {
  it.each([
    ['custom', 0, /empty/],
    ['custom', 1000, /cannot be read|could not be loaded/],
    ['custom', -2000, /could not be loaded|cannot be read/],
    ['directory', -20_000, /cannot be unpacked|could not be loaded/],
    ['plain', -200, /cut off/],
  ])('of a %s dump cut at %i leaves nothing behind', async (format, size, words) => {
    const url = await shop()
    const source = sourceOf(url, { format })
    const path = join(root, 'a')
    const { facts } = await archiveTo(path, source, place())
    const before = await digestOf(server, url)
    await truncate(path, size < 0 ? (await stat(path)).size + size : size)
    const failed = await restoreFrom(path, source, taskOf({ facts }), place()).catch(
      (error) => error,
    )
    expect([ArchiveDamaged, RestoreFailed]).toContain(failed.constructor)
    expect(failed.message).toMatch(words)
    expect(await databases(nameOf(url))).toEqual([nameOf(url)])
    expect(await digestOf(server, url)).toEqual(before)
  })

  it('asks its checks of what it made, and is refused by the first that does not hold', async () => {
    const url = await shop()
    await server.ask(url, `alter database ${nameOf(url)} set search_path to stock, public`)
    const path = join(root, 'a')
    const { facts } = await archiveTo(path, sourceOf(url), place())
    await server.ask(url, 'truncate stock.item cascade')
    const live = await digestOf(server, url)
    const restore = (check: { sql: string; expect: string | null; timeout: Millis }) => {
      const minute = 60_000 as Millis
      const checks = [{ name: 'first', sql: 'select true', expect: null, timeout: minute }]
      const options = { checks: [...checks, { name: 'orders', ...check }] }
      return restoreFrom(path, sourceOf(url, options), taskOf({ facts }), place())
    }
    const timeout = 60_000 as Millis
    const refused = restore({ sql: 'select count(*) from item', expect: '> 1000', timeout })
    await expect(refused).rejects.toThrow(RestoreFailed)
    await expect(refused).rejects.toThrow(/"orders" of the restored .* gave 1000, not > 1000/)
    const late = restore({ sql: 'select pg_sleep(3600)', expect: null, timeout: 200 as Millis })
    await expect(late).rejects.toThrow(/"orders" of the restored database took longer than 200ms/)
    expect(await databases(nameOf(url))).toEqual([nameOf(url)])
    expect(await digestOf(server, url)).toEqual(live)
    const checked = sourceOf(url, { checks: [{ name: 'c', sql: 'select 1', expect: null }] })
    const { remarks } = await checked.describe(taskOf({ facts, direct: true }), NEVER)
    expect(remarks.join()).toMatch(/its checks are not asked/)
    const held = { sql: 'select max(at) from "order list"', expect: '>= 2026-02-01', timeout }
    expect((await restore(held)).summary).toMatch(/, 2 checks passed$/)
    expect(await server.ask(url, 'select count(*) from stock.item')).toEqual(['1000'])
  }, 60_000)

  it('takes a check for one question that gives one value and changes nothing', async () => {
    const url = await shop()
    const address = parseAddress(new Secret(url), {})
    if (address === null) throw new Error('no address')
    const asked = (sql: string, wanted: string | null) => {
      const check = { name: 'c', sql, expect: wanted, timeout: 60_000 as Millis }
      return askChecks(serverByAddress(address, process.env), nameOf(url), [check], NEVER)
    }
    for (const [sql, wanted, words] of [
      ['select count(*) from stock.item where id > 1000;', null, 'gave 0'],
      ['select 0.00', null, 'gave 0.00'],
      ['select false', null, 'gave f'],
      ['select name from stock.item where id = 0', 'x', 'gave nothing, not x'],
      [`select E'it''s\\\\'`, "it's", "gave it's\\\\, not it's"],
      ['select id from stock.item', '1', 'failed: .*more than one row'],
      ['select 1, 2', '1', 'failed: .*only one column'],
      ['select count(*) from missing', '> 0', 'failed: .*"missing" does not exist'],
      ['select count(*) from stock.item', 'many', 'failed: .*invalid input syntax'],
      [`select nextval('letters_id_seq')`, '> 0', 'failed: .*read-only transaction'],
      ['select 1) as value) as a; commit; drop table letters; --', '1', 'failed: '],
      [`select 1\n\\! touch ${join(root, 'sign')}\n`, '1', 'failed: '],
    ] as const) {
      const refused = await asked(sql, wanted).catch((error) => error)
      expect(refused.message, sql).toMatch(
        new RegExp(`check "c" of the restored database ${words}`),
      )
    }
    await expect(stat(join(root, 'sign'))).rejects.toThrow(/ENOENT/)
    for (const [sql, wanted] of [
      ['select count(*) from stock.item -- all of them', '1000'],
      [`with x as (values (':name')) select * from x;`, ':name'],
      [`select state from stock.item limit 1`, '!= sold'],
      ['select true', 'true'],
      [`select 'a'`, null],
    ] as const) {
      await asked(sql, wanted)
    }
    expect(await server.ask(url, 'select count(*) from letters')).toEqual(['300'])
  })

  it('that fills the disk of the server says so, and leaves nothing behind', async () => {
    await using small = await mountTmpfs('40m')
    const owner = (await stat(join(server.folder, 'data'))).uid
    await chown(small.path, owner, owner)
    const admin = at(await server.database(), 'postgres')
    await server.ask(admin, `create tablespace small location '${small.path}'`)
    await server.ask(admin, 'create database cramped tablespace small')
    const url = at(admin, 'cramped')
    await server.ask(
      url,
      `create table t as select n, (select string_agg(md5(n || ' ' || i), '') from generate_series(1, 30) i) as text
       from generate_series(1, 16000) n`,
    )
    // What is new is written as holes at first.
    await server.ask(admin, 'checkpoint')
    const path = join(root, 'a')
    const { facts } = await archiveTo(path, sourceOf(url), place())
    const failed = await restoreFrom(path, sourceOf(url), taskOf({ facts }), place()).catch(
      (error) => error,
    )
    expect(failed).toBeInstanceOf(RestoreFailed)
    expect([failed.message, failed.hint]).toEqual([
      expect.stringMatching(/No space left on device/),
      'free some space on the server',
    ])
    expect(await databases('cramped')).toEqual(['cramped'])
    expect(await server.ask(url, 'select count(*) from t')).toEqual(['16000'])
    await server.ask(admin, 'drop database cramped')
    await server.ask(admin, 'drop tablespace small')
  })

  it('ends the sessions that hold the database, also those that come back at once', async () => {
    const url = await shop()
    const path = join(root, 'a')
    const { facts } = await archiveTo(path, sourceOf(url), place())
    const before = await digestOf(server, url)
    await server.ask(url, 'drop view stock.cheap')
    const holder = await session(url, 'begin; select 1;', 'web')
    const over = new AbortController()
    const stubborn = [1, 2, 3].map(async () => {
      while (!over.signal.aborted) {
        const child = spawn('psql', [url, '-XAtq', '-c', 'select pg_sleep(60)'], {
          stdio: 'ignore',
        })
        const gone = once(child, 'exit')
        const leave = () => child.kill()
        over.signal.addEventListener('abort', leave)
        await gone
        over.signal.removeEventListener('abort', leave)
      }
    })
    const said = await sourceOf(url).describe(taskOf({ facts }), NEVER)
    expect(said.now).toMatch(/database of .* with \d+ sessions?: .*web/)
    const { warnings } = await restoreFrom(path, sourceOf(url), taskOf({ facts }), place())
    expect(warnings.join()).toMatch(/taken away with .* nothing is restarted/)
    over.abort()
    await Promise.all(stubborn)
    expect(await digestOf(server, url)).toEqual(before)
    await end(holder)
  })

  it('of a database that cannot be let go of says so, and leaves it as it is', async () => {
    const url = await shop()
    const path = join(root, 'a')
    const { facts } = await archiveTo(path, sourceOf(url), place())
    await server.ask(url, `begin; delete from stock.item where id = 5000; prepare transaction 'p'`)
    const refused = restoreFrom(path, sourceOf(url), taskOf({ facts }), place())
    await expect(refused).rejects.toThrow(/cannot be renamed: .*prepared transaction/)
    expect(await databases(nameOf(url))).toEqual([nameOf(url)])
    await server.ask(url, `rollback prepared 'p'`)
  }, 60_000)

  it.each(['n'.repeat(63), `${'ä'.repeat(31)}x`, `it's "odd" \\ = name; drop`, 'postgres://x/y'])(
    'takes a database that is called %s',
    async (name) => {
      const admin = await server.database()
      const quoted = `"${name.replaceAll('"', '""')}"`
      await server.ask(admin, `create database ${quoted}`)
      const url = at(admin, name)
      await server.ask(url, SHOP)
      const path = join(root, 'a')
      const { facts } = await archiveTo(path, sourceOf(url), place())
      const before = await digestOf(server, url)
      await server.ask(url, 'drop view stock.cheap')
      const { previous } = await restoreFrom(path, sourceOf(url), taskOf({ facts }), place())
      expect(await digestOf(server, url)).toEqual(before)
      expect(Buffer.byteLength(previous ?? '')).toBeLessThanOrEqual(63)
      const realm = sourceOf(url).realm?.(null)
      expect(await realm?.exists(previous ?? '')).toBe(true)
      await realm?.remove(previous ?? '')
      expect(await realm?.exists(previous ?? '')).toBe(false)
      await server.ask(admin, `drop database ${quoted}`)
    },
  )

  it('of a newer major is refused before anything is touched, by the manifest and by the content', async () => {
    const url = await shop()
    const path = join(root, 'a')
    const { facts } = await archiveTo(path, sourceOf(url), place())
    const newer = { ...facts, serverVersion: 990_001 }
    const refused = sourceOf(url).stage(taskOf({ facts: newer }), place(), NEVER)
    await expect(refused).rejects.toThrow(/the dump is of PostgreSQL 99, and .* is only 15/)
    const patched = join(root, 'b')
    await copyFile(path, patched)
    const content = await readFile(patched)
    await using file = await open(patched, 'r+')
    await file.write('99', content.indexOf('15.'))
    const told = restoreFrom(patched, sourceOf(url), taskOf({}), place())
    await expect(told).rejects.toThrow(/the dump is of PostgreSQL 99/)
    expect(await databases(nameOf(url))).toEqual([nameOf(url)])
  })

  it('runs no program for a dump that asks psql for one', async () => {
    const url = await shop()
    const sign = join(root, 'sign')
    const path = join(root, 'a')
    const source = sourceOf(url, { format: 'plain' })
    const { facts } = await archiveTo(path, source, place())
    const text = await readFile(path, 'utf8')
    await writeFile(
      path,
      text.replace('CREATE SCHEMA stock;', `select 1 \\! touch ${sign}\nCREATE SCHEMA stock;`),
    )
    const refused = restoreFrom(path, source, taskOf({ facts }), place())
    await expect(refused).rejects.toThrow(/restricted|could not be loaded/)
    await expect(stat(sign)).rejects.toThrow(/ENOENT/)
    const roles = sourceOf(url, { globals: true })
    const dumped = join(root, 'b')
    const told = await archiveTo(dumped, roles, place())
    const globals = await readFile(dumped, 'utf8')
    for (const line of [
      `\\! touch ${sign}`,
      `CREATE ROLE x \\! touch ${sign}`,
      `COMMENT ON ROLE app IS 'a\\'; \\! touch ${sign}\n--';`,
      `COMMENT ON ROLE app IS $$'$$; \\! touch ${sign}\n--';`,
      `/* ' */ \\! touch ${sign}\n--';`,
    ]) {
      await writeFile(
        dumped,
        globals.replace('CREATE ROLE', () => `${line}\nCREATE ROLE`),
      )
      const hostile = restoreFrom(
        dumped,
        roles,
        taskOf({ facts: told.facts, force: true }),
        place(),
      )
      await expect(hostile).rejects.toThrow(/where pg_dumpall writes none/)
    }
    await expect(stat(sign)).rejects.toThrow(/ENOENT/)
  })

  it('in place is one transaction: all of it, or nothing', async () => {
    const url = await shop()
    const path = join(root, 'a')
    // Owners and rights are left out in place.
    await server.ask(
      url,
      'drop table "order list"; reassign owned by shop_keeper to app; drop owned by shop_keeper, shop_reader',
    )
    const { facts } = await archiveTo(path, sourceOf(url), place())
    const before = await digestOf(server, url)
    await server.ask(
      url,
      'delete from stock.item where id > 1000; delete from letters; create view v as select * from letters',
    )
    const changed = await digestOf(server, url)
    const task = taskOf({ facts, direct: true })
    await expect(restoreFrom(path, sourceOf(url), task, place())).rejects.toThrow(/depend/)
    expect(await digestOf(server, url)).toEqual(changed)
    await server.ask(url, 'drop view v')
    await restoreFrom(path, sourceOf(url), task, place())
    expect(await digestOf(server, url)).toEqual(before)
  })

  it('of one table replaces its rows in one transaction, and makes it where it is gone', async () => {
    const url = await shop()
    const path = join(root, 'a')
    const { facts } = await archiveTo(path, sourceOf(url), place())
    const before = await digestOf(server, url)
    const only = (name: string, to: string | null = null) =>
      restoreFrom(path, sourceOf(url), taskOf({ facts, only: name, to }), place())
    await server.ask(url, 'delete from letters where id > 10')
    await only('letters')
    expect(await digestOf(server, url)).toEqual(before)
    await expect(only('order list')).rejects.toThrow(/holds no rows of a table order list/)
    await expect(only('stock.item')).rejects.toThrow(/truncate a table referenced in a foreign key/)
    expect(await digestOf(server, url)).toEqual(before)
    await only('stock.item', `database:${nameOf(url)}_item`).catch((error) =>
      expect(error).toBe(null),
    )
    expect(
      await server.ask(at(url, `${nameOf(url)}_item`), 'select count(*) from stock.item'),
    ).toEqual(['1000'])
    await server.ask(url, 'drop table letters')
    const made = await only('public.letters')
    expect(made.warnings.join()).toMatch(
      /indexes, constraints, triggers and rights are not restored/,
    )
    expect(await server.ask(url, 'select count(*) from letters')).toEqual(['300'])
  })

  it('goes elsewhere only where nothing is, and to a database that was dropped with all that it had', async () => {
    const url = await shop()
    const name = nameOf(url)
    await server.ask(
      url,
      `alter database ${name} set work_mem to '9MB'; comment on database ${name} is 'gone'`,
    )
    const path = join(root, 'a')
    const { facts } = await archiveTo(path, sourceOf(url), place())
    const before = await digestOf(server, url)
    const refused = sourceOf(url).stage(taskOf({ facts, to: `database:${name}` }), place(), NEVER)
    await expect(refused).rejects.toThrow(/exists already and is not overwritten/)
    await server.ask(at(url, 'postgres'), `drop database ${name}`)
    const { previous } = await restoreFrom(
      path,
      sourceOf(at(url, 'postgres'), { database: name }),
      taskOf({ facts }),
      place(),
    )
    expect(previous).toBe(null)
    expect(await digestOf(server, url)).toEqual(before)
  })
})

describe('what a plan is told', () => {
  it('is each database of the server, none that a restore of ours has made', async () => {
    const url = await server.database()
    const name = nameOf(url)
    await server.ask(url, `create database "${name}__before_20260101t000000z"`)
    await server.ask(url, `create database "${name}__restoring_${token}"`)
    const at = section('source', { url: new Secret(url), databases: 'all', globals: true })
    const members = await postgres.members?.(at, NEVER)
    expect(members?.[0]).toEqual({
      name: 'globals',
      kind: 'postgres',
      options: { databases: null, database: null, globals: true },
    })
    const names = members?.map((one) => one.name) ?? []
    expect(names).toContain(name)
    expect(names.filter((one) => one?.startsWith(`${name}__`))).toEqual([])
  })

  it('is a server that does not answer', async () => {
    const found = await sourceOf('postgres://app@127.0.0.1:1/x').inspect?.(NEVER)
    expect(found).toEqual([
      {
        rule: 'source-unreachable',
        message: expect.stringMatching(/127.0.0.1:1.*Connection refused/),
        hint: expect.stringMatching(/runs/),
      },
    ])
    expect(await sourceOf(await server.database()).inspect?.(NEVER)).toEqual([])
  })
})
