import { createHash } from 'node:crypto'
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Daemon, startDaemon } from '../support/daemon.ts'
import { makeWorkspace, type Workspace } from '../support/holdfast.ts'

let space: Workspace
/** Absolute paths of the archives that the tests restore. */
let archive: { readonly docs: string; readonly shop: string; readonly shopId: string }

beforeAll(async () => {
  space = await makeWorkspace(config())
  await space.write({ 'live/docs/letter': 'dear', 'live/docs/deep/note': 'well' })
  sell(['apple', 'pear'])
  const made = await space.ok(['backup', 'create', '--json'])
  const [docs, shop] = made.document.backups
  archive = {
    docs: space.at('target', docs.storagePath),
    shop: space.at('target', shop.storagePath),
    shopId: shop.id,
  }
  await copyFile(archive.shop, space.at('bare.sqlite.zst'))
})

afterAll(() => space[Symbol.asyncDispose]())

function config(more: object = {}): string {
  return JSON.stringify({
    data_dir: 'state',
    targets: { here: { type: 'local', path: 'target' } },
    jobs: {
      docs: { source: { type: 'directory', path: 'live/docs' } },
      shop: { source: { type: 'sqlite', path: 'live/shop.db' } },
    },
    ...more,
  })
}

function sell(names: readonly string[]): void {
  using database = new DatabaseSync(space.at('live/shop.db'))
  database.exec('create table if not exists sold (name text); delete from sold')
  for (const name of names) database.prepare('insert into sold values (?)').run(name)
}

function sold(): readonly unknown[] {
  using database = new DatabaseSync(space.at('live/shop.db'), { readOnly: true })
  return database
    .prepare('select name from sold')
    .all()
    .map(({ name }) => name)
}

/** Changes both sources beyond recognition. */
async function ruin(): Promise<void> {
  await rm(space.at('live/docs/deep'), { recursive: true, force: true })
  await space.write({ 'live/docs/letter': 'ruined', 'live/docs/stray': 'new' })
  sell(['ruin'])
}

const GOOD_DOCS = { letter: 'dear', 'deep/note': 'well' }
const RUINED_DOCS = { letter: 'ruined', stray: 'new' }

async function started(env: Record<string, string>, file?: string): Promise<Daemon> {
  const daemon = startDaemon(space, { env, ...(file === undefined ? {} : { config: file }) })
  await daemon.until('daemon.started')
  return daemon
}

/** Level, name and message of every event up to the start, without what differs from run to run. */
function story(daemon: Daemon): string {
  const end = daemon.events().indexOf('daemon.started') + 1
  const told = daemon.lines.slice(0, end).map(({ level, event, message }) => {
    return `${level.padEnd(5)} ${event.padEnd(18)} ${message}\n`
  })
  return told
    .join('')
    .replaceAll(space.root, 'ROOT')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d-]+Z/g, 'TIMESTAMP')
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
  const end = daemon.events().indexOf('daemon.started')
  return daemon
    .events()
    .slice(0, end)
    .filter((event) => event.startsWith('restore.'))
}

describe('a restore at boot', () => {
  it('brings a directory back before anything is scheduled, and says so in these words', async () => {
    await ruin()
    await using daemon = await started({ HQL_BACKUP_RESTORE: `file:${archive.docs}` })
    expect(await space.files('live/docs')).toEqual(GOOD_DOCS)
    expect(sold()).toEqual(['ruin'])
    await expect(story(daemon)).toMatchFileSnapshot('../golden/boot/directory.txt')
    expect(restoreEvents(daemon)).toEqual(RESTORED)

    // A baseline follows by itself, and then the data from before goes.
    const released = await daemon.until('restore.released')
    expect(released).toMatchObject({ job: 'docs', source: 'docs' })
    expect(daemon.events().indexOf('backup.done')).toBeLessThan(
      daemon.events().indexOf('restore.released'),
    )
    expect(Object.keys(await space.files('live'))).toEqual([
      'docs/deep/note',
      'docs/letter',
      'shop.db',
    ])
    const status = await space.ok(['status', '--json'])
    expect(JSON.stringify(status.document)).toContain('HQL_BACKUP_RESTORE')
    expect(await daemon.stop()).toEqual({ code: 0, signal: null })
  })

  it('is done again at each start while the variable is set', async () => {
    await ruin()
    await using daemon = await started({ HQL_BACKUP_RESTORE: `file:${archive.docs}` })
    expect(await space.files('live/docs')).toEqual(GOOD_DOCS)
    expect(restoreEvents(daemon)).toEqual(RESTORED)
    await daemon.stop()
  })

  it('brings a database back from a file with no manifest beside it', async () => {
    await ruin()
    const request = `file:${space.at('bare.sqlite.zst')}`
    await using daemon = await started({ HOLDFAST_RESTORE: request })
    expect(sold()).toEqual(['apple', 'pear'])
    await expect(story(daemon)).toMatchFileSnapshot('../golden/boot/database.txt')
    await daemon.until('restore.released')
    await daemon.stop()
  })

  it('finds a backup by reference: job, source and id', async () => {
    await ruin()
    const request = `shop/shop.db@${archive.shopId}`
    await using daemon = await started({ HQL_BACKUP_RESTORE: request })
    expect(sold()).toEqual(['apple', 'pear'])
    expect(restoreEvents(daemon)).toEqual(RESTORED)
    await daemon.stop()
  })

  it('is applied once with restore.once: the next start says so and goes on', async () => {
    await space.write({ 'once.yml': config({ restore: { once: true }, data_dir: 'state-once' }) })
    const env = { HQL_BACKUP_RESTORE: `file:${archive.docs}` }
    await ruin()
    await using first = await started(env, 'once.yml')
    expect(restoreEvents(first)).toEqual(RESTORED)
    await first.stop()
    await ruin()
    await using second = await started(env, 'once.yml')
    expect(restoreEvents(second)).toEqual(['restore.requested', 'restore.skipped'])
    await expect(story(second)).toMatchFileSnapshot('../golden/boot/once.txt')
    expect(await space.files('live/docs')).toEqual(RUINED_DOCS)
    await second.stop()
  })

  it('is not asked for by a variable that is empty', async () => {
    await ruin()
    await using daemon = await started({ HQL_BACKUP_RESTORE: '', HOLDFAST_RESTORE: '' })
    expect(restoreEvents(daemon)).toEqual([])
    expect(await space.files('live/docs')).toEqual(RUINED_DOCS)
    const status = await space.ok(['status', '--json'])
    expect(JSON.stringify(status.document)).not.toContain('HQL_BACKUP_RESTORE')
    await daemon.stop()
  })
})

describe('a request that cannot be understood or done stops the start with 1, all data untouched', () => {
  /** Hash of the data and of all archives; what a restore pins on its way is no change of these. */
  const fingerprint = async () => {
    const files = { ...(await space.files('live')), ...(await space.files('target')) }
    const entries = Object.entries(files).filter(([path]) => !path.endsWith('.pin.json'))
    return createHash('sha256').update(JSON.stringify(entries)).digest('hex')
  }

  const refused = async (env: Record<string, string>, ...says: readonly (string | RegExp)[]) => {
    const before = await fingerprint()
    await using daemon = startDaemon(space, { env })
    expect(await daemon.ended).toEqual({ code: 1, signal: null })
    expect(await fingerprint()).toBe(before)
    expect(daemon.events()).not.toContain('daemon.started')
    expect(daemon.events().filter((event) => /^backup|^restore\.(swap|done)/.test(event))).toEqual(
      [],
    )
    for (const words of says) expect(daemon.stderr()).toMatch(words)
    return daemon
  }

  beforeAll(ruin)

  it.each([
    ['an unknown prefix', 'foo:bar', /cannot begin with "foo:"/, /hint: write file:<path>/],
    ['a file that is not there', 'file:/nope', /cannot read \/nope/, /hint: give the path/],
    ['nothing but white space', ' \t ', /is no request/, /hint: write file:<path>/],
    ['no file at all', 'file:', /names no file/, /hint/],
    ['an object where no bucket is declared', 's3:x', /no bucket is declared/, /hint: declare/],
    ['a job that there is not', 'nobody@latest', /nobody/, /hint/],
    ['a backup that there is not', 'docs/docs@nosuchid', /nosuchid/, /hint/],
  ])('%s', async (_what, value, ...says) => {
    const daemon = await refused({ HQL_BACKUP_RESTORE: value }, ...says)
    const failed = await daemon.until('restore.failed')
    expect(failed.level).toBe('error')
    expect(failed.error.code).not.toBe('unexpected')
    expect(failed.error.hint).not.toBe(null)
  })

  it('two variables that ask for different things', async () => {
    const env = { HQL_BACKUP_RESTORE: `file:${archive.docs}`, HOLDFAST_RESTORE: 'shop/shop.db' }
    await refused(env, 'ask for different restores', 'hint: unset one of them')
  })

  it('an archive with a flipped byte, whose code says why', async () => {
    const bytes = await readFile(archive.docs)
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1
    await mkdir(space.at('bad'))
    await writeFile(space.at('bad/docs.tar.zst'), bytes)
    const manifest = `${archive.docs}.manifest.json`
    await copyFile(manifest, space.at('bad/docs.tar.zst.manifest.json'))
    const daemon = await refused({ HQL_BACKUP_RESTORE: `file:${space.at('bad/docs.tar.zst')}` })
    expect((await daemon.until('restore.failed')).error.code).toBe('verify_failed')
  })

  it('a database in use', async () => {
    using database = new DatabaseSync(space.at('live/shop.db'))
    database.exec('begin immediate')
    const daemon = await refused({ HQL_BACKUP_RESTORE: `file:${archive.shop}` })
    expect((await daemon.until('restore.failed')).error.message).toMatch(/in use|open|busy|lock/)
    database.exec('rollback')
  })

  it('a file that may belong to more than one source, with the list of them', async () => {
    const two = { docs: { source: { type: 'directory', path: 'live/docs' } } }
    const other = { ...two, more: { source: { type: 'directory', path: 'live/more' } } }
    await space.write({ 'two.yml': config({ jobs: other, data_dir: 'state-two' }) })
    await copyFile(archive.docs, space.at('bare.tar.zst'))
    const env = { HQL_BACKUP_RESTORE: `file:${space.at('bare.tar.zst')}` }
    await using daemon = startDaemon(space, { env, config: 'two.yml' })
    expect(await daemon.ended).toEqual({ code: 1, signal: null })
    expect(daemon.stderr()).toContain('docs/docs or more/more')
    expect(await space.files('live/docs')).toEqual(RUINED_DOCS)
  })

  it('an archive of a source that is not declared, though another one would fit', async () => {
    const other = { more: { source: { type: 'directory', path: 'live/docs' } } }
    await space.write({ 'other.yml': config({ jobs: other, data_dir: 'state-other' }) })
    const env = { HQL_BACKUP_RESTORE: `file:${archive.docs}` }
    await using daemon = startDaemon(space, { env, config: 'other.yml' })
    expect(await daemon.ended).toEqual({ code: 1, signal: null })
    expect(daemon.stderr()).toContain('is a backup of docs/docs, which is not declared here')
    expect(daemon.stderr()).toContain('renamed_from: docs')
    expect(await space.files('live/docs')).toEqual(RUINED_DOCS)
  })
})

describe('restore --boot', () => {
  it('of two at the same moment does what is to be done once', async () => {
    await space.write({ 'twin.yml': config({ restore: { once: true }, data_dir: 'state-twin' }) })
    const env = { HQL_BACKUP_RESTORE: `file:${archive.docs}` }
    const args = ['restore', '--boot', '--config', 'twin.yml', '--', 'true']
    const ran = await Promise.all([space.run(args, { env }), space.run(args, { env })])
    expect(ran.map(({ code }) => code)).toEqual([0, 0])
    const said = ran.map(({ stdout }) => stdout).join('')
    expect(said.match(/"event":"restore.done"/g)).toHaveLength(1)
    expect(said.match(/"event":"restore.skipped"/g)).toHaveLength(1)
  })

  const become = (script: string, env: Record<string, string> = {}) =>
    startDaemon(space, { env, args: ['restore', '--boot', '--', 'sh', '-c', script] })

  it('becomes the command once the data is back, without the variable', async () => {
    await ruin()
    const script = `echo "{\\"event\\":\\"program\\",\\"message\\":\\"\${HQL_BACKUP_RESTORE-unset} \${UV_THREADPOOL_SIZE-unset} $KEPT $(cat live/docs/letter)\\"}"; exit 7`
    const env = { HQL_BACKUP_RESTORE: `file:${archive.docs}`, KEPT: 'kept' }
    await using program = become(script, env)
    expect(await program.ended).toEqual({ code: 7, signal: null })
    expect(program.events()).toEqual([...RESTORED, 'program'])
    expect(program.lines.at(-1)?.message).toBe('unset unset kept dear')
  })

  it('passes signals on, and ends as the command ends', async () => {
    const ready = `echo '{"event":"program","message":"ready"}'`
    await using careful = become(`trap 'exit 9' TERM; ${ready}; while :; do sleep 0.05; done`)
    await careful.until('program')
    expect(await careful.stop('SIGTERM')).toEqual({ code: 9, signal: null })
    await using plain = become(`${ready}; exec sleep 60`)
    await plain.until('program')
    expect(await plain.stop('SIGINT')).toEqual({ code: 130, signal: null })
    await using killed = become('kill -KILL $$')
    expect(await killed.ended).toEqual({ code: 137, signal: null })
  })

  it('does not become it when the restore fails, nor when there is no such command', async () => {
    await using failed = become('echo ran >> ran', { HQL_BACKUP_RESTORE: 'file:/nope' })
    expect(await failed.ended).toEqual({ code: 1, signal: null })
    expect(failed.events()).toEqual(['restore.requested', 'restore.failed'])
    await expect(readFile(space.at('ran'))).rejects.toThrow('ENOENT')
    const args = ['restore', '--boot', '--', 'no-such-program-anywhere']
    const absent = await space.run(args)
    expect(absent.code).toBe(1)
    expect(absent.stderr).toContain('cannot run no-such-program-anywhere')
  })
})
