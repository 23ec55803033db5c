import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { copyFile, mkdir, open, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HASTY, startPostgres } from '../services/postgres.ts'
import { makeRichTree, snapshotTree } from '../support/trees.ts'
import { type Block, bash, blocksOf, makeFolder, succeed, typeAtTerminal } from './support.ts'

const PAGE = 'docs/restore-without-holdfast.md'
const PASSPHRASE = 'correct horse battery staple'

/** One job for each way of packing that the page has a command for. */
const config = (recipient: string, database: string) => `
encryption: { recipients: [${recipient}] }
targets:
  disk: { type: local, path: ./backups }
jobs:
  usual:
    schedule: "0 2 * * *"
    sources:
      - { type: directory, path: ./live }
      - { type: sqlite, path: ./shop.db }
      - { type: command, name: dump, backup: [cat, dump.sql], extension: .sql }
      - { type: command, name: files, backup: [./leave-files], collect: left }
  postgres:
    schedule: "0 2 * * *"
    source: { type: postgres, url: "${database}", databases: [shop], globals: true }
  plain: { schedule: "0 2 * * *", source: { type: directory, path: ./live }, encryption: none }
  gzip: { schedule: "0 2 * * *", source: { type: directory, path: ./live }, format: vardo }
  bare:
    schedule: "0 2 * * *"
    source: { type: directory, path: ./live }
    encryption: none
    compression: none
  secret:
    schedule: "0 2 * * *"
    source: { type: directory, path: ./live }
    encryption: { passphrase_file: ./passphrase }
  hosted:
    schedule: "0 2 * * *"
    source: { type: directory, path: ./live }
    encryption: { cryptr: { keys_file: ./enc-keys, key_active: k2 } }
`

const started = await makeFolder()
const server = await startPostgres(HASTY)
const named = (name: string) => `postgres://app@127.0.0.1:${server.port}/${name}`
const at = (...parts: readonly string[]) => join(started.path, ...parts)
let blocks: readonly Block[] = []
let scripts: readonly Block[] = []

beforeAll(async () => {
  const all = await blocksOf(PAGE)
  blocks = all.filter(({ language }) => language === 'sh')
  scripts = all.filter(({ language }) => language === 'js')
  execFileSync('age-keygen', ['-o', at('age.key')], { stdio: 'ignore' })
  const recipient = execFileSync('age-keygen', ['-y', at('age.key')], { encoding: 'utf8' }).trim()
  await makeRichTree(at('live'))
  await mkdir(at('live', 'letters'))
  await writeFile(at('live', 'letters', 'one'), 'Dear reader')
  const leave = '#!/bin/sh\ncp -a live/etc "$HOLDFAST_COLLECT_DIR"\n'
  await writeFile(at('leave-files'), leave, { mode: 0o755 })
  await writeFile(at('dump.sql'), 'create table orders (id); insert into orders values (7);\n')
  await writeFile(at('passphrase'), PASSPHRASE, { mode: 0o600 })
  await writeFile(at('enc-keys'), ['k1', 'k2'].map(keyLine).join('\n'), { mode: 0o600 })
  makeShop(at('shop.db'))
  const url = await server.database()
  await server.ask(url, 'create database shop')
  await server.ask(named('shop'), 'create table item as select 7 as id; create role clerk')
  await writeFile(at('holdfast.yml'), config(recipient, url))
  await succeed(['backup', 'create'], { cwd: started.path })
})

afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await started[Symbol.asyncDispose]()
})

const keyLine = (id: string) => `${id}/${randomBytes(32).toString('base64')}`

/** In WAL mode, with what is committed still in the WAL, as a program that was killed leaves it. */
function makeShop(path: string): void {
  execFileSync(process.execPath, [
    '-e',
    `const { DatabaseSync } = require('node:sqlite')
     const shop = new DatabaseSync(${JSON.stringify(path)})
     shop.exec('pragma journal_mode = wal; create table item (name); insert into item values (1)')
     process.exit()`,
  ])
}

/** The archive of a source; there is one of each. */
async function archiveOf(job: string, source: string): Promise<string> {
  const folder = at('backups', 'system', job, source)
  const names = await readdir(folder)
  const [archive, ...more] = names.filter((name) => !name.endsWith('.manifest.json'))
  if (archive === undefined || more.length > 0) throw new Error(`not one archive in ${folder}`)
  return join(folder, archive)
}

function block(...words: readonly string[]): string {
  const found = blocks.filter((one) => one.words.join(' ') === words.join(' '))
  expect(found, `blocks of the page marked ${words.join(' ')}`).toHaveLength(1)
  return found[0]?.text ?? ''
}

/** The page's first block with the reader's own names in it. */
function setup(values: Readonly<Record<string, string>>): string {
  let text = block('setup')
  for (const [name, value] of Object.entries(values)) {
    expect(text).toMatch(new RegExp(`^${name}=\\S+$`, 'm'))
    text = text.replace(new RegExp(`^${name}=\\S+$`, 'm'), `${name}='${value}'`)
  }
  return text
}

async function follow(job: string, source: string, to: string, ...words: readonly string[]) {
  const archive = await archiveOf(job, source)
  const names = setup({ archive, key: at('age.key'), to: at(to) })
  return await bash(names + block('check') + block(...words), started.path)
}

describe('the page on restoring without Holdfast', () => {
  it('has no command that is not run here', () => {
    const marked = blocks.map(({ words }) => words.join(' ')).sort()
    expect(marked).toEqual([
      'check',
      'command .sql.zst.age',
      'cryptr .tar.zst.cryptr',
      'directory .tar',
      'directory .tar.gz',
      'directory .tar.zst',
      'directory .tar.zst.age',
      'list .tar.zst.age',
      'one .tar.zst.age',
      'passphrase .tar.zst.age',
      'postgres .dump.zst.age',
      'postgres .sql.zst.age',
      'setup',
      'sqlite .sqlite.zst.age',
      'swap-sqlite',
    ])
  })

  it('brings back a PostgreSQL database, and the roles of its server', async () => {
    const there = `export PGHOST=127.0.0.1 PGPORT=${server.port} PGUSER=app\n`
    const run = async (source: string, words: string) => {
      const archive = await archiveOf('postgres', source)
      const names = setup({ archive, key: at('age.key'), to: at(`restored-${source}`) })
      await bash(there + names + block('check') + block('postgres', words), started.path)
    }
    await run('shop', '.dump.zst.age')
    expect(await server.ask(named('restored'), 'select id from item')).toEqual(['7'])
    await server.ask(named('shop'), 'drop role clerk')
    await run('globals', '.sql.zst.age')
    const found = await server.ask(
      named('shop'),
      `select rolname from pg_roles where rolname = 'clerk'`,
    )
    expect(found).toEqual(['clerk'])
  })

  it.each([
    ['usual', '.tar.zst.age'],
    ['plain', '.tar.zst'],
    ['gzip', '.tar.gz'],
    ['bare', '.tar'],
  ])(
    'brings a directory of job %s back whole: owners, modes, times, links, attributes, access lists',
    async (job, ending) => {
      expect(await archiveOf(job, 'live')).toMatch(new RegExp(`Z${ending.replaceAll('.', '\\.')}$`))
      const { code, stdout, stderr } = await follow(job, 'live', job, 'directory', ending)
      // The one thing that tar has to say: a file of the tree is dated 2096.
      expect(stderr.replace(/^tar: \.\/run: time stamp .* in the future\n/, '')).toBe('')
      expect(code).toBe(0)
      expect(stdout).toMatch(/: OK\n$/)
      const live = await snapshotTree(at('live'))
      expect(live.attributes.join()).toContain('user.note')
      expect(live.accessLists.join()).toContain('user:1234:rw-')
      expect(live.entries.join('\n')).toMatch(/etc\/secret f 600 1234:5678/)
      expect(await snapshotTree(at(job))).toEqual(live)
    },
  )

  it('brings back what a program left in files', async () => {
    const { code, stderr } = await follow('usual', 'files', 'files', 'directory', '.tar.zst.age')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(await snapshotTree(at('files', 'etc'))).toEqual(await snapshotTree(at('live', 'etc')))
  })

  it('opens with a passphrase typed at a terminal', async () => {
    const archive = await archiveOf('secret', 'live')
    const text = setup({ archive, to: at('typed') }) + block('passphrase', '.tar.zst.age')
    await writeFile(at('typed.sh'), text)
    const { code, stdout } = await typeAtTerminal('bash -e typed.sh', PASSPHRASE, started.path)
    expect({ code, stdout }).toMatchObject({ code: 0 })
    expect(await snapshotTree(at('typed'))).toEqual(await snapshotTree(at('live')))
  })

  it('opens what cryptr closed, with the script of the page and no key but the right one', async () => {
    const [script, ...more] = scripts
    expect([script?.words, more]).toEqual([['unlock.mjs'], []])
    await writeFile(at('unlock.mjs'), script?.text ?? '')
    const archive = await archiveOf('hosted', 'live')
    const open = (key: string, to: string) => {
      const names = setup({ archive, key: at(key), to: at(to) })
      return bash(names + block('check') + block('cryptr', '.tar.zst.cryptr'), started.path)
    }
    expect(await open('enc-keys', 'unlocked')).toMatchObject({ code: 0 })
    expect(await snapshotTree(at('unlocked'))).toEqual(await snapshotTree(at('live')))
    await writeFile(at('others'), keyLine('k1'))
    const failed = await open('others', 'locked')
    expect(failed.code).not.toBe(0)
    expect(failed.stderr).toMatch(/there is no key k2/)
    await writeFile(at('namesake'), keyLine('k2'))
    expect((await open('namesake', 'still-locked')).code).not.toBe(0)
  })

  it('lists an archive, and takes one folder out of it', async () => {
    const { stdout } = await follow('usual', 'live', 'unused', 'list', '.tar.zst.age')
    expect(stdout).toContain('./letters/one')
    const { code } = await follow('usual', 'live', 'one', 'one', '.tar.zst.age')
    expect(code).toBe(0)
    expect(await readdir(at('one'))).toEqual(['letters'])
    expect(await readFile(at('one', 'letters', 'one'), 'utf8')).toBe('Dear reader')
  })

  it('brings a database back into the place of one whose WAL would damage it', async () => {
    const { code, stdout } = await follow(
      'usual',
      'shop.db',
      'shop.new',
      'sqlite',
      '.sqlite.zst.age',
    )
    expect({ code, last: stdout.trim().split('\n').at(-1) }).toEqual({ code: 0, last: 'ok' })
    const mode = (await stat(at('shop.db'))).mode
    makeShopMoveOn()
    expect((await stat(at('shop.db-wal'))).size).toBeGreaterThan(0)
    const text = block('swap-sqlite').replace('/srv/shop/shop.db', at('shop.db'))
    const swapped = await bash(setup({ to: at('shop.new') }) + text, started.path)
    expect(swapped).toEqual({ code: 0, stdout: '', stderr: '' })
    using shop = new DatabaseSync(at('shop.db'))
    expect(shop.prepare('select name from item').all().length).toBe(1)
    expect((await stat(at('shop.db'))).mode).toBe(mode)
    expect(await readdir(started.path)).toContain('shop.db.old-wal')
  })

  it('gives what a program wrote to what reads it', async () => {
    const { code } = await follow('usual', 'dump', 'orders.db', 'command', '.sql.zst.age')
    expect(code).toBe(0)
    using orders = new DatabaseSync(at('orders.db'))
    expect({ ...orders.prepare('select id from orders').get() }).toEqual({ id: 7 })
  })

  it('fails at the check, before anything is unpacked, when a byte was flipped', async () => {
    const archive = await archiveOf('plain', 'live')
    const flipped = at('flipped.tar.zst')
    await copyFile(archive, flipped)
    await copyFile(`${archive}.manifest.json`, `${flipped}.manifest.json`)
    await flipByte(flipped, 300)
    const script = setup({ archive: flipped, to: at('never') }) + block('check')
    const { code, stdout } = await bash(script + block('directory', '.tar.zst'), started.path)
    expect(code).toBe(1)
    expect(stdout).toMatch(/: FAILED\n$/)
    expect(await readdir(started.path)).not.toContain('never')
  })
})

/** Writes on in a second process, which leaves its WAL behind. */
function makeShopMoveOn(): void {
  execFileSync(process.execPath, [
    '-e',
    `const { DatabaseSync } = require('node:sqlite')
     const shop = new DatabaseSync(${JSON.stringify(at('shop.db'))})
     shop.exec('insert into item values (2)')
     process.exit()`,
  ])
}

async function flipByte(path: string, place: number): Promise<void> {
  const file = await open(path, 'r+')
  try {
    const byte = Buffer.alloc(1)
    await file.read(byte, 0, 1, place)
    byte[0] = (byte[0] ?? 0) ^ 1
    await file.write(byte, 0, 1, place)
  } finally {
    await file.close()
  }
}
