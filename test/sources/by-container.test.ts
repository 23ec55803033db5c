import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { section } from '../../src/core/section.ts'
import { RestoreFailed, SourceFailed } from '../../src/lib/errors.ts'
import { MARIADB } from '../../src/sources/by-container/dialects.ts'
import { mariadb, mysql } from '../../src/sources/by-container.ts'
import { archiveTo, restoreFrom, sourceContract, taskOf } from '../contract/source.ts'
import { type DockerEngine, startDocker } from '../services/docker.ts'

const PASSWORD = 'hunter22 words'
let docker: DockerEngine
let count = 0

beforeAll(async () => {
  docker = await startDocker(['mariadb'])
  await docker.run('--name=db', '-e', `MARIADB_ROOT_PASSWORD=${PASSWORD}`, 'mariadb:10')
  // MariaDB has by other names what MySQL has.
  const links = 'ln -s mariadb-dump /usr/bin/mysqldump && ln -s mariadb /usr/bin/mysql'
  await docker.exec('db', 'sh', '-c', links)
  while (!(await ask('select 1').catch(() => ''))) await sleep(100)
}, 120_000)
afterAll(() => docker[Symbol.asyncDispose]())

const ask = (sql: string) =>
  docker.exec(
    'db',
    'mariadb',
    '-uroot',
    `-p${PASSWORD}`,
    '--batch',
    '--skip-column-names',
    '-e',
    sql,
  )

const sourceOf = (container = 'db', options = {}, kind = mariadb) =>
  kind.configure(section('source', { container, docker: docker.host, ...options }))

for (const kind of [mariadb, mysql]) {
  sourceContract(`${kind.kind} in a container`, async () => {
    const name = `shop_${++count}`
    await ask(
      `create database ${name}; use ${name}; create table item (id int primary key, name text);
       insert into item select seq, concat('item ', seq, char(10), '\\'"\\\\') from seq_1_to_500;
       create procedure total() select count(*) from item; create view cheap as select * from item where id < 5`,
    )
    const tables = ['item', 'cheap'].map((table) => `${name}.${table}`).join(', ')
    return {
      source: sourceOf('db', { databases: [name] }, kind),
      broken: sourceOf('db', { databases: ['missing'] }, kind),
      contents: async () =>
        await ask(
          `checksum table ${tables}; show create view ${name}.cheap; select name from mysql.proc where db = '${name}'`,
        ),
      change: async () =>
        void (await ask(`delete from ${name}.item where id > 10; drop procedure ${name}.total`)),
      elsewhere: null,
      dispose: async () => void (await ask(`drop database ${name}`)),
    }
  })
}

describe('a MariaDB container', () => {
  it('is dumped with all that it has, its end there, and no password anywhere', async () => {
    const root = await mkdtemp(join(tmpdir(), 'holdfast-mariadb-'))
    const place = { scratch: root, leaveOut: [], token: 'aaaaaaaaaaaaaaaaaa' }
    const since = new Date()
    const report = await archiveTo(join(root, 'a'), sourceOf(), place)
    const told = (await docker.execs('db', since)).join()
    expect(told).toMatch(/mariadb-dump --user=root --single-transaction/)
    expect(told).not.toContain(PASSWORD)
    const text = await readFile(join(root, 'a'), 'utf8')
    expect(text).toMatch(/-- Dump completed on [^\n]*\n$/)
    expect(text).toMatch(/CREATE DATABASE .*`mysql`/)
    expect(JSON.stringify(report)).not.toContain(PASSWORD)
    await ask(`set password for root@localhost = password('another')`)
    const wrong = await archiveTo(join(root, 'd'), sourceOf(), place).catch((error) => error)
    const back = `set password for root@localhost = password('${PASSWORD}')`
    await docker.exec('db', 'mariadb', '-uroot', '-panother', '-e', back)
    expect([wrong.code, wrong.message, wrong.hint]).toEqual([
      'source_failed',
      expect.stringMatching(/Access denied for user 'root'/),
      expect.stringMatching(/MARIADB_ROOT_PASSWORD/),
    ])
    const small = archiveTo(join(root, 'b'), sourceOf('db', { min_size: 10 ** 9 }), place)
    await expect(small).rejects.toThrow(/less than min_size/)
    await expect(archiveTo(join(root, 'c'), sourceOf('none'), place)).rejects.toBeInstanceOf(
      SourceFailed,
    )
    const elsewhere = restoreFrom(join(root, 'a'), sourceOf(), taskOf({ to: 'database:x' }), place)
    await expect(elsewhere).rejects.toBeInstanceOf(RestoreFailed)
    await rm(root, { recursive: true })
  })
})

describe('a password that the container has in a file', () => {
  it('is read there, and is no argument', async () => {
    await docker.exec('db', 'sh', '-c', `printf '%s\\n' '${PASSWORD}' >/tmp/password`)
    const env = { MARIADB_ROOT_PASSWORD_FILE: '/tmp/password' }
    const { argv, env: own } = MARIADB.dump(env, ['mysql'])
    const given = Object.entries(own).flatMap(([name, value]) => ['-e', `${name}=${value}`])
    const since = new Date()
    const text = await docker.docker('exec', ...given, 'db', ...argv)
    expect(text).toMatch(/-- Dump completed on [^\n]*$/)
    expect((await docker.execs('db', since)).join()).not.toContain(PASSWORD)
  })
})

describe('a dump as SQL whose last line is missing', () => {
  it('fails the backup, whatever its program said of it', async () => {
    const root = await mkdtemp(join(tmpdir(), 'holdfast-mariadb-'))
    const place = { scratch: root, leaveOut: [], token: 'aaaaaaaaaaaaaaaaaa' }
    const at = (await docker.exec('db', 'sh', '-c', 'command -v mariadb-dump')).trim()
    const cut = `mv ${at} ${at}.whole; printf '#!/bin/sh\\n${at}.whole "$@" | head -c 3000\\n' >${at}; chmod +x ${at}`
    await docker.exec('db', 'sh', '-c', cut)
    const failed = await archiveTo(join(root, 'a'), sourceOf(), place).catch((error) => error)
    await docker.exec('db', 'mv', `${at}.whole`, at)
    expect([failed.code, failed.message]).toEqual([
      'source_failed',
      expect.stringMatching(/cut off: its last line is missing/),
    ])
    expect((await archiveTo(join(root, 'b'), sourceOf(), place)).warnings).toEqual([])
    await rm(root, { recursive: true })
  })
})

describe('the manual', () => {
  it('claims no server that is not run here', async () => {
    const page = await readFile(join(import.meta.dirname, '../../docs/docker.md'), 'utf8')
    const [version = ''] = /^\d+\.\d+/.exec(await ask('select version()')) ?? []
    expect(page).toContain(`**Tested with MariaDB ${version}**, as \`mariadb\` and as \`mysql\``)
  })
})
