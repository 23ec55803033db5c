import { execFileSync } from 'node:child_process'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { DEFAULT_META } from '../../src/sources/hiqlite/meta.ts'
import { type Ceph, startCeph } from '../services/ceph.ts'
import { commandLine } from '../support/command-line.ts'
import { poll, startDaemon } from '../support/daemon.ts'
import { metaOf } from '../support/hiqlite.ts'
import { type Document, makeWorkspace, type Workspace } from '../support/holdfast.ts'
import { startProxy } from '../support/proxy.ts'
import {
  type Bucket,
  hiqlitePush,
  makeLiveDatabase,
  openBucket,
  openObject,
  type RauthyTraits,
  rauthyConfig,
} from '../support/rauthy.ts'
import { elsewhere, end, examine, WRITER } from '../support/sqlite.ts'

const DAY = 86_400_000
const LOCAL = 'data/state_machine/backups'
const NAME = /^backup_node_1_(\d+)\.sqlite$/

let ceph: Ceph
let bucket: Bucket
let space: Workspace
/** The live database. */
let database = ''

beforeAll(async () => {
  ceph = await startCeph()
})
afterAll(() => ceph[Symbol.asyncDispose]())
beforeEach(async () => {
  bucket = await openBucket(ceph)
  space = await makeWorkspace()
  database = await makeLiveDatabase(space.at('data'))
})
afterEach(() => space[Symbol.asyncDispose]())

async function configure(traits: RauthyTraits = {}): Promise<void> {
  await space.write({ 'config.toml': rauthyConfig(bucket, traits) })
}

/** Runs holdfast so many days ago; gives its exit code. */
async function daysAgo(days: number, ...words: readonly string[]): Promise<number> {
  const { code } = await commandLine(['--config', 'config.toml', ...words], {
    cwd: space.root,
    env: { TZ: 'UTC' },
    now: () => Date.now() - days * DAY,
  })
  return code
}

async function localNames(): Promise<readonly string[]> {
  return (await readdir(space.at(LOCAL))).filter((name) => NAME.test(name)).sort()
}

async function remoteNames(): Promise<readonly string[]> {
  return (await bucket.keys()).filter((key) => NAME.test(key)).sort()
}

/** Age in whole days of a backup that is named by its second. */
function ageOf(name: string): number {
  // Ours are named half a minute ahead.
  return Math.floor((Date.now() + 60_000 - Number(NAME.exec(name)?.[1]) * 1000) / DAY)
}

async function backups(): Promise<readonly Document[]> {
  const { document } = await space.ok(['--config', 'config.toml', 'backup', 'list', '--json'], {
    env: {},
  })
  return document.backups
}

describe('the cycle of Hiqlite', () => {
  it('of a database under load: cron, both places, both clean-ups, and nothing of a stranger goes', async () => {
    await configure()
    const text = await space.read('config.toml')
    const keep = text.replaceAll(/(backup_keep_days\w*) = \d+/g, '$1 = 3650')
    await space.write({ 'config.toml': keep })
    expect(await daysAgo(40, 'apply', '--yes')).toBe(0)
    for (const days of [40, 35]) expect(await daysAgo(days, 'backup', 'create')).toBe(0)
    // The bucket was away when this one was made.
    await space.write({ 'config.toml': keep.replace(`:${ceph.port}"`, ':1"') })
    expect(await daysAgo(10, 'backup', 'create')).toBe(3)
    await space.write({ 'config.toml': keep })
    for (const days of [2, 1]) expect(await daysAgo(days, 'backup', 'create')).toBe(0)

    // Of other nodes, of Hiqlite itself, of people: all of them as old as any.
    const old = Math.floor((Date.now() - 50 * DAY) / 1000)
    const pushed = await hiqlitePush(database)
    const strangers = [`backup_node_9_${old}.sqlite`, `backup_node_1_${old}.sqlite`, 'notes.txt']
    await mkdir(space.at(LOCAL), { recursive: true })
    for (const name of strangers) {
      await bucket.put(name, pushed)
      await writeFile(space.at(LOCAL, name), 'a stranger’s')
    }

    await configure()
    const writer = await elsewhere(database, WRITER)
    try {
      await using daemon = startDaemon(space, { config: 'config.toml' })
      const done = await daemon.until('backup.done')
      expect(done).toMatchObject({ job: 'hiqlite', target: 'hiqlite-local,hiqlite-s3' })
      await daemon.until('copy.done', { fits: ({ target }) => target === 'hiqlite-s3' })
      await poll(async () => (await localNames()).length === 4, 'the clean-up of the folder')
      await poll(async () => (await remoteNames()).length === 5, 'the clean-up of the bucket')
      expect((await localNames()).map(ageOf)).toEqual([50, 2, 1, 0])
      expect((await remoteNames()).map(ageOf)).toEqual([50, 10, 2, 1, 0])
      // The one of ten days ago had to stay in the folder until the bucket had it.
      const events = daemon.lines.map(({ event, target }) => `${event} ${target}`)
      expect(events.indexOf('copy.done hiqlite-s3')).toBeLessThan(
        events.indexOf('prune.done hiqlite-local'),
      )
      await daemon.stop()
    } finally {
      await end(writer)
    }

    for (const name of strangers) {
      expect(await bucket.get(name)).toEqual(pushed)
      expect(await readFile(space.at(LOCAL, name), 'utf8')).toBe('a stranger’s')
    }
    // What belongs to those that went is gone as well, and nothing else of ours stands at the root.
    const ours = (await remoteNames()).filter((name) => !strangers.includes(name))
    const manifests = ours.map((name) => `.holdfast/${name}.manifest.json`)
    expect(await bucket.keys()).toEqual([...manifests, ...ours, ...strangers].sort())
    await soundInBothPlaces(ours.at(-1) ?? '')
  })
})

/** The same content twice: plain in the folder, as cryptr closes it in the bucket. */
async function soundInBothPlaces(name: string): Promise<void> {
  const path = space.at(LOCAL, name)
  const answer = execFileSync('sqlite3', [
    path,
    'pragma integrity_check; select count(*) from pair',
  ])
  expect(String(answer)).toBe('ok\n200\n')
  expect(examine(path)).toMatchObject({ unpaired: 0, integrity: 'ok' })
  expect(metaOf(path)).toBe(DEFAULT_META)
  const object = await bucket.get(name)
  expect(object.includes('SQLite format 3')).toBe(false)
  expect(await openObject(object)).toEqual(await readFile(path))
}

describe('a bucket that goes away', () => {
  it('costs no local backup; the copy is brought there, encrypted, once it is back', async () => {
    await using proxy = await startProxy(ceph.port)
    await configure({ port: proxy.port })
    expect(await daysAgo(2, 'apply', '--yes')).toBe(0)
    expect(await daysAgo(2, 'backup', 'create')).toBe(0)
    proxy.die()
    await using daemon = startDaemon(space, { config: 'config.toml' })
    const failed = await daemon.until('copy.failed')
    expect(failed).toMatchObject({ job: 'hiqlite', target: 'hiqlite-s3' })
    await daemon.until('backup.done')
    expect((await localNames()).length).toBe(2)
    expect((await remoteNames()).length).toBe(1)
    const rows = (await backups()).map(({ target, status }) => `${target} ${status}`)
    expect(rows.slice(0, 2)).toEqual(['hiqlite-local success', 'hiqlite-s3 failed'])
    await daemon.stop()

    proxy.heal()
    await using again = startDaemon(space, { config: 'config.toml' })
    await again.until('copy.done', { fits: ({ target }) => target === 'hiqlite-s3' })
    const newest = (await remoteNames()).at(-1) ?? ''
    expect(newest).toBe((await localNames()).at(-1))
    await soundInBothPlaces(newest)
    await again.stop()
  })

  it('in the middle of an upload leaves nothing there that Hiqlite would take for a backup', async () => {
    await using proxy = await startProxy(ceph.port)
    await configure({ port: proxy.port })
    proxy.cutAfter('up', 200_000, 'stay dead')
    const words = ['--config', 'config.toml', 'backup', 'create']
    expect((await space.run(words)).code).toBe(3)
    expect(await bucket.keys()).toEqual([])
    const [name = ''] = await localNames()
    expect(examine(space.at(LOCAL, name)).integrity).toBe('ok')

    proxy.heal()
    await using daemon = startDaemon(space, { config: 'config.toml' })
    await daemon.until('copy.done', { fits: ({ target }) => target === 'hiqlite-s3' })
    expect(await remoteNames()).toEqual([name])
    await soundInBothPlaces(name)
    await daemon.stop()
  })
})
