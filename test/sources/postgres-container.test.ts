import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Options } from '../../src/core/model.ts'
import { section } from '../../src/core/section.ts'
import { ConfigError, SourceFailed } from '../../src/lib/errors.ts'
import { postgres } from '../../src/sources/postgres.ts'
import type { Source } from '../../src/sources/source.ts'
import { archiveTo, restoreFrom, sourceContract, taskOf } from '../contract/source.ts'
import { type DockerEngine, startDocker } from '../services/docker.ts'
import { makeWorkspace } from '../support/holdfast.ts'
import { run } from '../support/processes.ts'
import { digestOf, SHOP } from '../support/shop.ts'

let docker: DockerEngine
let count = 0

beforeAll(async () => {
  docker = await startDocker(['postgres'])
  await docker.run(
    '--name=db',
    '-e',
    'POSTGRES_USER=shop',
    '-e',
    'POSTGRES_PASSWORD=hunter22',
    'postgres:15',
  )
  await untilReady('db')
}, 120_000)
afterAll(() => docker[Symbol.asyncDispose]())

async function untilReady(container: string): Promise<void> {
  const ready = ['psql', '-U', 'shop', '-h', '127.0.0.1', '-c', 'select 1']
  while (!(await docker.exec(container, ...ready).catch(() => ''))) await sleep(50)
}

/** Asks in the container; of an address only the last part counts: the database. */
const inside = {
  async ask(url: string, sql: string): Promise<readonly string[]> {
    const database = url.slice(url.lastIndexOf('/') + 1)
    const said = await docker.exec('db', 'psql', '-U', 'shop', '-d', database, '-XAtqc', sql)
    return said.split('\n').filter((line) => line !== '')
  },
}

/** Of every process there is, those in containers too. */
async function commandLines(): Promise<readonly string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const lines = pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''))
  return (await Promise.all(lines)).map((line) => line.replaceAll('\0', ' '))
}

function sourceOf(database: string | null, options: Options = {}): Source {
  const which = database === null ? {} : { database }
  const all = { container: 'db', docker: docker.host, ...which, ...options }
  return postgres.configure(section('source', all))
}

async function shop(): Promise<string> {
  const name = `shop_${++count}`
  await inside.ask('postgres', `create database ${name}`)
  await inside.ask(name, SHOP.replace(/create extension.*/, ''))
  return name
}

/** By URL every format is held to the contract; how the bytes come out of a container is the same for all. */
for (const format of process.env.STORM_ROUNDS ? ['custom', 'plain'] : ['custom']) {
  sourceContract(`postgres in a container, in the format ${format}`, async () => {
    const name = await shop()
    const elsewhere = `${name}_copy`
    return {
      source: sourceOf(name, { format }),
      broken: sourceOf('missing', { format }),
      contents: (to) => digestOf(inside, to === null ? name : elsewhere),
      change: async () =>
        void (await inside.ask(name, 'delete from letters; drop view stock.cheap')),
      elsewhere: `database:${elsewhere}`,
      dispose: async () => {},
    }
  })
}

describe('a PostgreSQL container', () => {
  const NEVER = new AbortController().signal

  it('gives the database that its environment names, and has the roles of its server', async () => {
    const root = await mkdtemp(join(tmpdir(), 'holdfast-container-'))
    const place = { scratch: root, leaveOut: [], token: 'aaaaaaaaaaaaaaaaaa' }
    const bare = { container: 'db', docker: docker.host }
    const { facts } = await archiveTo(
      join(root, 'a'),
      postgres.configure(section('s', bare)),
      place,
    )
    expect(facts).toMatchObject({ database: 'shop', owner: 'shop' })
    const roles = postgres.configure(section('s', { ...bare, globals: true, role_passwords: true }))
    await inside.ask('shop', `create role clerk`)
    const told = await archiveTo(join(root, 'b'), roles, place)
    await inside.ask('shop', `drop role clerk`)
    const made = await restoreFrom(join(root, 'b'), roles, taskOf({ facts: told.facts }), place)
    expect(made.summary).toBe('roles: 1 made')
    const all = { ...bare, databases: 'all' }
    const members = (await postgres.members?.(section('s', all), NEVER)) ?? []
    expect(members.map(({ name }) => name)).toContain('shop')
    await rm(root, { recursive: true })
  })

  it('gives a database that was made anew empty what the archived one had beside its content', async () => {
    const root = await mkdtemp(join(tmpdir(), 'holdfast-container-'))
    const place = { scratch: root, leaveOut: [], token: 'aaaaaaaaaaaaaaaaaa' }
    const name = await shop()
    await inside.ask(
      'postgres',
      `alter database ${name} set search_path to stock, "$user", public; alter database ${name} connection limit 42;
       alter role shop in database ${name} set work_mem to '7MB'; comment on database ${name} is 'It''s the shop';
       revoke connect on database ${name} from public`,
    )
    const before = await digestOf(inside, name)
    const { facts } = await archiveTo(join(root, 'a'), sourceOf(name), place)
    await inside.ask('postgres', `drop database ${name}`)
    await inside.ask('postgres', `create database ${name}`)
    // Found by the settings that came back.
    const check = { name: 'items', sql: 'select count(*) from item', expect: '= 1000' }
    const { summary, warnings } = await restoreFrom(
      join(root, 'a'),
      sourceOf(name, { checks: [check] }),
      taskOf({ facts }),
      place,
    )
    expect(summary).toMatch(/1 check passed/)
    expect(warnings).toEqual([])
    expect(await digestOf(inside, name)).toEqual(before)
    await rm(root, { recursive: true })
  })

  it('is asked with the password of its environment, by no argument, and a wrong one is told', async () => {
    const root = await mkdtemp(join(tmpdir(), 'holdfast-container-'))
    const place = { scratch: root, leaveOut: [], token: 'aaaaaaaaaaaaaaaaaa' }
    const name = await shop()
    const rules = '/var/lib/postgresql/data/pg_hba.conf'
    const strict = `sed -i '1i local ${name} all scram-sha-256' ${rules}; psql -U shop -XAtqc 'select pg_reload_conf()'`
    await docker.exec('db', 'sh', '-c', strict)
    const since = new Date()
    await archiveTo(join(root, 'a'), sourceOf(name), place)
    const told = (await docker.execs('db', since)).join('\n')
    expect(told).toMatch(/pg_dump --format=custom/)
    expect(told).toMatch(/psql -XAtq/)
    expect(told).not.toContain('hunter22')
    await inside.ask('shop', `alter role shop password 'another'`)
    const failed = await archiveTo(join(root, 'b'), sourceOf(name), place).catch((error) => error)
    await inside.ask('shop', `alter role shop password 'hunter22'`)
    expect([failed.code, failed.message, failed.hint]).toEqual([
      'source_failed',
      expect.stringMatching(/container db: .*password authentication failed for user "shop"/),
      expect.stringMatching(/POSTGRES_PASSWORD/),
    ])
    expect(failed.message + failed.hint).not.toContain('hunter22')
    await rm(root, { recursive: true })
  })

  it('that is killed in the middle of a dump fails it, however cleanly the stream ends', async () => {
    const root = await mkdtemp(join(tmpdir(), 'holdfast-container-'))
    const place = { scratch: root, leaveOut: [], token: 'aaaaaaaaaaaaaaaaaa' }
    await docker.run(
      '--name=victim',
      '-e',
      'POSTGRES_USER=shop',
      '-e',
      'POSTGRES_PASSWORD=held words',
      'postgres:15',
    )
    await untilReady('victim')
    const psql = (sql: string) => docker.exec('victim', 'psql', '-U', 'shop', '-XAtqc', sql)
    await psql('create table t as select 1 as id')
    const holder = psql('begin; lock table t; select pg_sleep(600)').catch(() => {})
    const locked = `select count(*) from pg_locks where mode = 'AccessExclusiveLock' and relation = 't'::regclass and granted`
    while ((await psql(locked)) !== '1') await sleep(50)
    const source = postgres.configure(section('s', { container: 'victim', docker: docker.host }))
    const dumping = archiveTo(join(root, 'a'), source, place).catch((error) => error)
    const waits = `select count(*) from pg_stat_activity where application_name = 'holdfast' and wait_event_type = 'Lock'`
    while ((await psql(waits)) !== '1') await sleep(50)
    const running = await commandLines()
    expect(running.join()).toMatch(/pg_dump --format=custom/)
    expect(running.join()).toMatch(/relay\.ts/)
    expect(running.join()).not.toContain('held words')
    await docker.docker('kill', 'victim')
    expect(await dumping).toBeInstanceOf(SourceFailed)
    await holder
    const down = await archiveTo(join(root, 'b'), source, place).catch((error) => error)
    expect([down.code, down.message, down.hint]).toEqual([
      'source_failed',
      expect.stringMatching(/container victim is exited/),
      'docker start victim',
    ])
    await docker.docker('rm', 'victim')
    const gone = await archiveTo(join(root, 'c'), source, place).catch((error) => error)
    expect([gone.code, gone.message]).toEqual(['source_failed', expect.stringMatching(/victim/)])
    await rm(root, { recursive: true })
  }, 60_000)

  it.each([
    [
      'plain dump lacks its last line',
      'pg_dump',
      { format: 'plain' },
      200,
      /its last line is missing/,
    ],
    [
      'list of roles lacks its last line',
      'pg_dumpall',
      { globals: true },
      200,
      /its last line is missing/,
    ],
    ['dump lacks the end of its last block', 'pg_dump', {}, 50_000, /its last block is missing/],
    ['dump is empty', 'pg_dump', {}, 0, /0 B, less than min_size/],
  ] as const)(
    'whose %s has no backup, whatever its program said',
    async (...[, program, options, bytes, why]) => {
      const root = await mkdtemp(join(tmpdir(), 'holdfast-container-'))
      const place = { scratch: root, leaveOut: [], token: 'aaaaaaaaaaaaaaaaaa' }
      const source = sourceOf('globals' in options ? null : await shop(), options)
      const at = (await docker.exec('db', 'sh', '-c', `command -v ${program}`)).trim()
      const cut = `mv ${at} ${at}.whole; printf '#!/bin/sh\\nfor one in "$@"; do [ "$one" != --version ] || exec ${at}.whole "$@"; done; ${at}.whole "$@" | head -c ${bytes}\\n' >${at}; chmod +x ${at}`
      await docker.exec('db', 'sh', '-c', cut)
      const failed = await archiveTo(join(root, 'a'), source, place).catch((error) => error)
      await docker.exec('db', 'mv', `${at}.whole`, at)
      expect([failed.code, failed.message]).toEqual(['source_failed', expect.stringMatching(why)])
      await archiveTo(join(root, 'b'), source, place)
      await rm(root, { recursive: true })
    },
  )

  it('is not asked for what it cannot do', () => {
    expect(() => sourceOf('x', { format: 'directory' })).toThrow(ConfigError)
    expect(() => sourceOf('x', { docker: 'ssh://host' })).toThrow(/SSH/)
  })
})

describe('a restore with `restart`', () => {
  it('restarts the containers that had sessions of the database, and neither the server nor others', async () => {
    const name = await shop()
    const at = (
      await docker.docker('inspect', '--format={{.NetworkSettings.IPAddress}}', 'db')
    ).trim()
    const session = (database: string) => [
      ...['psql', `postgres://shop:hunter22@${at}/${database}?application_name=of_${database}`],
      ...['-c', 'select pg_sleep(3600)'],
    ]
    const apart = ['--stop-signal=KILL', '--entrypoint=', 'postgres:15'] as const
    await docker.run('--name=web', ...apart, ...session(name))
    await docker.run('--name=other', ...apart, ...session('postgres'))
    await docker.docker('exec', '--detach', 'db', ...session(name))
    const sessions = async (count: number) => {
      const sql = `select count(*) from pg_stat_activity where application_name like 'of_%'`
      while ((await inside.ask('postgres', sql))[0] !== `${count}`) await sleep(50)
    }
    await sessions(3)
    const began = async () => {
      const format = '--format={{.State.StartedAt}}'
      return (await docker.docker('inspect', format, 'web', 'other', 'db')).split('\n')
    }
    const config = (more: string) => `
data_dir: ./state
docker: { host: "${docker.host}", discover: false }
targets: { shelf: { type: local, path: ./shelf } }
jobs: { db: { sources: [{ type: postgres, container: db, databases: [${name}]${more} }] } }
`
    await using work = await makeWorkspace(config(', restart: true'))
    await work.ok(['backup', 'create'])
    const before = await began()
    const restored = await work.ok(['restore', 'db', '--yes'])
    expect(restored.stderr).toMatch(/the containers that they are of are restarted/)
    expect(restored.stdout).toMatch(/^ {2}restarted web$/m)
    const [web, ...others] = await began()
    expect(web).not.toBe(before[0])
    expect(others).toEqual(before.slice(1))
    await sessions(2)
    await work.write({ 'holdfast.yml': config('') })
    expect((await work.ok(['restore', 'db', '--yes'])).stdout).toMatch(/nothing is restarted/)
    expect(await began()).toEqual([web, ...others])
    await docker.docker('rm', '--force', 'web', 'other')
  })
})

describe('a restore into a container that is killed', () => {
  it('as it loads the dump, is about to rename or has renamed, is finished or taken back at the next start', async () => {
    const name = await shop()
    const old = await digestOf(inside, name)
    await using work = await makeWorkspace(`
data_dir: ./state
docker: { host: "${docker.host}", discover: false }
targets: { shelf: { type: local, path: ./shelf } }
jobs: { db: { sources: [{ type: postgres, container: db, databases: [${name}] }] } }
`)
    await work.ok(['backup', 'create'])
    const log = work.at('order.log')
    const blow = { when: 'after', victim: 'self', delay: 0, log } as const
    const ends: string[] = []
    for (const order of [
      { phase: 'load', on: 'spawn', match: 'relay', nth: 2 },
      { phase: 'rename', on: 'commit', match: 'journal', nth: 1 },
      { phase: 'renamed', on: 'commit', match: 'journal', nth: 2 },
    ] as const) {
      await inside.ask(name, 'drop table if exists since; create table since (id int)')
      const now = await digestOf(inside, name)
      const struck = await run(['restore', 'db', '--yes'], {
        cwd: work.root,
        killAt: { ...blow, ...order },
      })
      expect(struck.hit, order.phase + struck.stderr).toBe(true)
      await work.ok(['state', 'adopt'])
      const found = await digestOf(inside, name)
      expect([now, old], order.phase).toContainEqual(found)
      ends.push(found.length === old.length ? 'new' : 'old')
      const beside = `select datname from pg_database where datname like '${name}\\_\\_restoring%'`
      expect(await inside.ask('postgres', beside), order.phase).toEqual([])
    }
    expect(ends).toEqual(['old', 'new', 'new'])
  }, 170_000)
})
