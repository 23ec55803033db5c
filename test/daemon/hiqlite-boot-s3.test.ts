import { mkdir } from 'node:fs/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { DEFAULT_META } from '../../src/sources/hiqlite/meta.ts'
import { type Ceph, startCeph } from '../services/ceph.ts'
import { type Daemon, startDaemon } from '../support/daemon.ts'
import { LIVE_META, metaOf } from '../support/hiqlite.ts'
import { makeWorkspace, type Workspace } from '../support/holdfast.ts'
import { startProxy } from '../support/proxy.ts'
import {
  ACTIVE,
  type Bucket,
  hiqlitePush,
  KEYS,
  makeLiveDatabase,
  openBucket,
  type RauthyTraits,
  rauthyConfig,
} from '../support/rauthy.ts'
import { elsewhere, end, examine, HOLDER } from '../support/sqlite.ts'

const DATABASE = 'data/state_machine/db/hiqlite.db'

let ceph: Ceph
let bucket: Bucket
/** Rows that the database of each object has; our own was made by holdfast, the others by Hiqlite. */
const OURS = { name: '', rows: 30 }
const OLDER = { name: 'backup_node_1_1800000000.sqlite', rows: 20 }
const NEWEST = { name: 'backup_node_1_4000000000.sqlite', rows: 10 }
/** A folder with nothing but the config, for each test. */
let fresh: Workspace

beforeAll(async () => {
  ceph = await startCeph()
  bucket = await openBucket(ceph)
  await using first = await makeWorkspace()
  await first.write({ 'config.toml': rauthyConfig(bucket) })
  await makeLiveDatabase(first.at('data'), OURS.rows)
  await first.ok(['--config', 'config.toml', 'backup', 'create'], { env: {} })
  OURS.name = (await bucket.keys()).find((key) => key.startsWith('backup_node_1_')) ?? ''
  for (const { name, rows } of [OLDER, NEWEST]) {
    const path = await makeLiveDatabase(first.at(name), rows)
    await bucket.put(name, await hiqlitePush(path))
  }
})
afterAll(() => ceph[Symbol.asyncDispose]())

beforeEach(async () => {
  fresh = await makeWorkspace()
  await configure()
})
afterEach(() => fresh[Symbol.asyncDispose]())

async function configure(traits: RauthyTraits = {}): Promise<void> {
  await fresh.write({ 'config.toml': rauthyConfig(bucket, traits) })
}

function started(object: string): Daemon {
  return startDaemon(fresh, {
    config: 'config.toml',
    env: { HQL_BACKUP_RESTORE: `s3:${object}` },
  })
}

/** Level, name and message of every event up to the start, without what differs from run to run. */
function story(daemon: Daemon): string {
  const until = daemon.events().indexOf('daemon.started') + 1
  return daemon.lines
    .slice(0, until)
    .map(({ level, event, message }) => `${level.padEnd(5)} ${event.padEnd(18)} ${message}\n`)
    .join('')
    .replaceAll(fresh.root, 'ROOT')
    .replaceAll(/backup_node_1_\d+/g, 'backup_node_1_UNIX')
    .replaceAll(/holdfast \d\S*/g, 'holdfast VERSION')
}

const RESTORED = [
  'restore.requested',
  'restore.download',
  'restore.verified',
  'restore.swapped',
  'restore.done',
  'restore.unset_env',
]

function restoreEvents(daemon: Daemon): readonly string[] {
  return daemon.events().filter((event) => event.startsWith('restore.'))
}

describe('a restore from the bucket, with nothing but the config', () => {
  it('brings the database back, in these words, and then makes a new baseline', async () => {
    await using daemon = started(OURS.name)
    await daemon.until('daemon.started')
    await expect(story(daemon)).toMatchFileSnapshot('../golden/boot/hiqlite-s3.txt')
    expect(restoreEvents(daemon)).toEqual(RESTORED)
    const path = fresh.at(DATABASE)
    expect(examine(path)).toMatchObject({ rows: OURS.rows, unpaired: 0, integrity: 'ok' })
    expect(metaOf(path)).toBe(DEFAULT_META)
    expect(Object.keys(await fresh.files('data'))).toEqual(['state_machine/db/hiqlite.db'])
    const status = await fresh.ok(['--config', 'config.toml', 'status'], {
      env: { HQL_BACKUP_RESTORE: `s3:${OURS.name}` },
    })
    expect(status.stdout).toContain('remove it from the environment now')
    await daemon.until('restore.released')
    await daemon.stop()
  })

  it('takes what Hiqlite itself pushed, which has no manifest', async () => {
    await using daemon = started(OLDER.name)
    await daemon.until('daemon.started')
    await expect(story(daemon)).toMatchFileSnapshot('../golden/boot/hiqlite-pushed.txt')
    expect(examine(fresh.at(DATABASE))).toMatchObject({ rows: OLDER.rows, integrity: 'ok' })
    await daemon.stop()
  })

  it('of `latest` takes the newest, whoever made it', async () => {
    await using daemon = started('latest')
    await daemon.until('daemon.started')
    expect(examine(fresh.at(DATABASE)).rows).toBe(NEWEST.rows)
    await daemon.stop()
  })

  it('takes the keys from the environment, as Hiqlite does', async () => {
    await fresh.write({ 'config.toml': rauthyConfig(bucket).replace(/\[encryption\][\s\S]*/, '') })
    await using daemon = startDaemon(fresh, {
      config: 'config.toml',
      env: {
        HQL_BACKUP_RESTORE: `s3:${OURS.name}`,
        ENC_KEYS: KEYS.map(({ id, base64 }) => `${id}/${base64}`).join('\n'),
        ENC_KEY_ACTIVE: 'old2025',
      },
    })
    await daemon.until('daemon.started')
    expect(examine(fresh.at(DATABASE)).rows).toBe(OURS.rows)
    await daemon.stop()
  })

  it('goes on with what is left when the connection is cut in the middle', async () => {
    await using proxy = await startProxy(ceph.port)
    await configure({ port: proxy.port })
    proxy.cutAfter('down', 25_000)
    await using daemon = started(OURS.name)
    await daemon.until('daemon.started')
    expect(proxy.passed('down')).toBeGreaterThan(25_000)
    expect(restoreEvents(daemon)).toEqual(RESTORED)
    expect(examine(fresh.at(DATABASE))).toMatchObject({ rows: OURS.rows, integrity: 'ok' })
    await daemon.stop()
  })

  it('is done before the program that restore --boot becomes', async () => {
    const program = `printf '{"event":"program","message":"%s %s"}\\n' "\${HQL_BACKUP_RESTORE-unset}" "$(sqlite3 ${DATABASE} 'select count(*) from pair')"`
    await using daemon = startDaemon(fresh, {
      config: 'config.toml',
      env: { HQL_BACKUP_RESTORE: `s3:${OURS.name}` },
      args: ['restore', '--boot', '--', 'sh', '-c', program],
    })
    expect(await daemon.ended).toEqual({ code: 0, signal: null })
    expect(daemon.events().slice(-7)).toEqual([...RESTORED, 'program'])
    expect(daemon.lines.at(-1)?.message).toBe(`unset ${OURS.rows}`)
  })
})

describe('a restore from the bucket that cannot be done ends with 1, the data untouched', () => {
  const ROWS = 7

  beforeEach(async () => {
    await makeLiveDatabase(fresh.at('data'), ROWS)
    await mkdir(fresh.at('data/logs'))
    await fresh.write({ 'data/logs/one': 'raft' })
  })

  async function refused(object: string): Promise<Record<string, string>> {
    const before = await fresh.files('data')
    await using daemon = started(object)
    expect(await daemon.ended).toEqual({ code: 1, signal: null })
    expect(restoreEvents(daemon).at(-1)).toBe('restore.failed')
    expect(daemon.events()).not.toContain('restore.swapped')
    expect(daemon.events()).not.toContain('daemon.started')
    expect(await fresh.files('data')).toEqual(before)
    expect(examine(fresh.at(DATABASE))).toMatchObject({ rows: ROWS, integrity: 'ok' })
    expect(metaOf(fresh.at(DATABASE))).toBe(LIVE_META)
    const { error } = await daemon.until('restore.failed')
    return error
  }

  it('for want of the key that the object names', async () => {
    const others = KEYS.filter(({ id }) => id === 'old2025')
    await configure({ keys: others })
    for (const { name } of [OURS, OLDER]) {
      const { code, message } = await refused(name)
      expect(code).toBe('cannot_decrypt')
      expect(message).toContain('key key2026')
      expect(message).toContain('old2025')
    }
  })

  it('for another key of the same id', async () => {
    const base64 = Buffer.alloc(32, 9).toString('base64')
    await configure({ keys: [{ id: ACTIVE, base64 }] })
    const error = await refused(OLDER.name)
    expect(error.code).toBe('verify_failed')
    expect(error.hint).toContain('the configured key is not the one that had this id')
  })

  it.each([
    ['cut off', (bytes: Buffer) => bytes.subarray(0, bytes.length - 20_000)],
    ['changed in one bit', (bytes: Buffer) => flipped(bytes)],
    ['cut off within its header', (bytes: Buffer) => bytes.subarray(0, 9)],
    ['empty', () => Buffer.alloc(0)],
  ])('of an object that is %s', async (_what, change) => {
    const pushed = 'backup_node_1_1700000001.sqlite'
    await bucket.put(pushed, change(await bucket.get(OLDER.name)))
    expect((await refused(pushed)).code).toMatch(/verify_failed|restore_failed/)
  })

  it('of an object of ours that is not what its manifest says', async () => {
    const whole = await bucket.get(OURS.name)
    await bucket.put(OURS.name, flipped(whole))
    try {
      expect((await refused(OURS.name)).code).toBe('verify_failed')
    } finally {
      await bucket.put(OURS.name, whole)
    }
  })

  it('of a bucket that is away, or is not there', async () => {
    await configure({ port: 1 })
    expect((await refused(OURS.name)).message).toContain('hiqlite-s3')
    await fresh.write({
      'config.toml': rauthyConfig(bucket).replace(`"${bucket.name}"`, '"no-such-bucket"'),
    })
    expect((await refused('latest')).message).toContain('no-such-bucket')
  })

  it('of an object that there is not', async () => {
    expect((await refused('backup_node_1_17.sqlite')).message).toContain('no object')
  })

  it('into a database that somebody has open', async () => {
    const holder = await elsewhere(fresh.at(DATABASE), HOLDER)
    try {
      expect((await refused(OURS.name)).message).toContain('is in use by')
    } finally {
      await end(holder)
    }
  })
})

function flipped(bytes: Buffer): Buffer {
  const changed = Buffer.from(bytes)
  const middle = changed.length >> 1
  changed[middle] = (changed[middle] ?? 0) ^ 1
  return changed
}
