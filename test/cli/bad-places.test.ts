import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { appendFile, chmod, mkdir, rename, rm } from 'node:fs/promises'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { filesConfig, makeWorkspace, type Ran, type Workspace } from '../support/holdfast.ts'
import { type Mounted, mountReadOnly, mountTmpfs } from '../support/mounts.ts'
import { makeDatabase } from '../support/sqlite.ts'

const run = promisify(execFile)

/** Root may read everything, unless it is told not to. */
const LIKE_ANYBODY = ['setpriv', '--bounding-set=-dac_override,-dac_read_search']

/** Every law here: the thing is named, the next step is told, the code is right. */
function expectFailure(ran: Ran, code: number, said: RegExp, hint: RegExp): void {
  expect(ran.stderr).toMatch(said)
  expect(ran.stderr).toMatch(new RegExp(`hint: ${hint.source}`))
  expect(ran.code).toBe(code)
}

/** The attempt stands in the history as failed, with what was said. */
async function expectRecorded(work: Workspace, said: RegExp): Promise<void> {
  const { document } = await work.ok(['backup', 'list', '--all', '--json'])
  expect(document.backups[0]).toMatchObject({ status: 'failed', checksum: null })
  expect(document.backups[0].error).toMatch(said)
}

describe('a source that cannot be read', () => {
  it('fails its own backup and no other, with the file named, and works once it is mended', async () => {
    await using work = await makeWorkspace(`
data_dir: ./state
targets: { shelf: { type: local, path: ./shelf } }
jobs:
  many:
    sources:
      - { type: directory, path: ./gone }
      - { type: directory, path: ./locked }
      - { type: directory, path: ./hollow }
      - { type: directory, path: ./plain }
      - { type: sqlite, path: ./nowhere.db }
      - { type: sqlite, path: ./plain/a, name: no-database }
      - { type: directory, path: ./live }
`)
    await work.write({ 'live/a': 'a', 'locked/secret': 's', 'locked/fine': 'f', plain: '' })
    await rm(work.at('plain'))
    await work.write({ 'plain/a': 'no database' })
    await mkdir(work.at('hollow'))
    await chmod(work.at('locked', 'secret'), 0)
    const ran = await work.run(['backup', 'create', '--json'], { through: LIKE_ANYBODY })
    expect(ran.code).toBe(1)
    const rows: { source: string; status: string; error: string | null }[] = ran.document.backups
    expect(rows.map(({ source, status }) => [source, status])).toEqual([
      ['gone', 'failed'],
      ['locked', 'failed'],
      ['hollow', 'failed'],
      ['plain', 'success'],
      ['nowhere.db', 'failed'],
      ['no-database', 'failed'],
      ['live', 'success'],
    ])
    expect(rows[0]?.error).toBe(`directory ${work.at('gone')} does not exist`)
    expect(rows[1]?.error).toMatch(/tar of .*locked failed.*secret.*Permission denied/)
    expect(rows[4]?.error).toBe(`database ${work.at('nowhere.db')} does not exist`)
    expect(rows[5]?.error).toMatch(/is not a SQLite database/)
    expect(ran.stderr).toMatch(/gone does not exist\n {2}hint: mount or make it/)
    expect(ran.stderr).toMatch(/Permission denied\n {2}hint: run as a user who may read all of it/)
    expect(ran.stderr).toMatch(/nothing in it to back up\n {2}hint: set allow_empty: true/)
    expect(ran.stderr).toMatch(/nowhere\.db does not exist\n {2}hint: check the path/)
    expect(ran.stderr).toMatch(/is encrypted: .*\n {2}hint: for an encrypted database/)
    expect(await work.archives('shelf')).toHaveLength(2)

    const { document } = await work.ok(['backup', 'list', '--json'])
    expect(document.backups.map(({ source }: { source: string }) => source)).toEqual(
      expect.arrayContaining(['live', 'plain']),
    )
    const all = (await work.ok(['backup', 'list', '--all', '--json'])).document.backups
    expect(all).toHaveLength(7)
    expect(all.find(({ source }: { source: string }) => source === 'gone')).toMatchObject({
      status: 'failed',
      target: null,
      storagePath: null,
      checksum: null,
      keptBecause: [],
      error: `directory ${work.at('gone')} does not exist`,
    })

    await chmod(work.at('locked', 'secret'), 0o600)
    await work.write({ 'gone/b': 'b' })
    await work.ok(['backup', 'create', 'many/gone', 'many/locked'], { through: LIKE_ANYBODY })
  })

  it('leaves data_dir, scratch and targets out when they lie inside it', async () => {
    await using work = await makeWorkspace(`
data_dir: ./live/state
scratch_dir: ./live/scratch
targets: { shelf: { type: local, path: ./live/deep/shelf } }
jobs: { files: { sources: [{ type: directory, path: ./live }, { type: sqlite, path: ./live/app.db }] } }
`)
    await work.write({ 'live/a': 'a', 'live/deep/b': 'b' })
    makeDatabase(work.at('live', 'app.db'), 'delete', 3)
    await work.ok(['backup', 'create'])
    await work.ok(['backup', 'create'])
    const { stdout } = await work.ok(['backup', 'show', 'files/live', '--contents'])
    const names = stdout.split('\n').map((line) => line.split(' ').at(-1))
    expect(names.filter(Boolean)).toEqual(['./', './a', './app.db', './deep/', './deep/b'])
    await work.ok(['restore', 'files/live', '--yes'])
    expect((await work.ok(['backup', 'list', '--json'])).document.backups).toHaveLength(4)
    expect(await work.read('live', 'deep', 'b')).toBe('b')
  })

  it('is refused where it lies in what is ours', async () => {
    await using work = await makeWorkspace(filesConfig())
    const inside = filesConfig().replace('./live', './state/inside')
    await work.write({ 'holdfast.yml': inside, 'state/inside/a': 'a' })
    const ran = await work.run(['backup', 'create'])
    expectFailure(ran, 1, /which is ours/, /move data_dir, scratch_dir or the target/)
  })
})

describe('a target that cannot take it', () => {
  it('is told apart and named, leaves nothing half behind, and loses nothing it held', async () => {
    await using work = await makeWorkspace(filesConfig('retention: { keep_last: 1 }'))
    await work.write({ 'live/a': 'a' })
    await work.ok(['backup', 'create'])
    const [first = ''] = await work.archives('shelf')
    const held = await work.files('shelf')

    await using _readOnly = await mountedOn(work.at('shelf'), await mountReadOnly(work.at('shelf')))
    const readOnly = await work.run(['backup', 'create'])
    expectFailure(
      readOnly,
      13,
      /cannot write system\/files\/live\/.* in .*shelf: it is mounted read-only/,
      /mount -o remount,rw/,
    )
    await expectRecorded(work, /it is mounted read-only/)
    expectFailure(
      await work.run(['backup', 'pin', 'files']),
      13,
      /mounted read-only/,
      /mount -o remount,rw/,
    )
    await work.ok(['backup', 'verify', '--all'])
    await work.ok(['restore', 'files', '--to', 'out'])
    await _readOnly[Symbol.asyncDispose]()
    expect(await work.files('shelf')).toEqual(held)

    await rename(work.at('shelf'), work.at('kept'))
    await work.write({ shelf: 'a file' })
    expectFailure(
      await work.run(['backup', 'create']),
      13,
      /cannot use .*shelf as a target: it is not a directory/,
      /name a directory as path/,
    )
    const unreachable = (await work.ok(['plan', '--json'])).document
    expect(unreachable.warnings).toContainEqual(
      expect.objectContaining({ rule: 'target-unreachable', subject: 'shelf' }),
    )
    expect(unreachable.summary).toMatchObject({ deletes: 0, missing: 0 })
    const list = await work.run(['target', 'list', '--json'])
    expect([list.code, list.document.targets[0].error]).toEqual([
      13,
      expect.stringContaining('not a directory'),
    ])
    for (const verb of [
      ['restore', 'files', '--yes'],
      ['backup', 'verify', 'files'],
      ['state', 'adopt'],
    ])
      expect([verb, (await work.run(verb)).code]).toEqual([verb, 13])
    expect(await work.read('shelf')).toBe('a file')

    await rm(work.at('shelf'))
    await rename(work.at('kept'), work.at('shelf'))
    expect(await work.archives('shelf')).toEqual([first])
    await work.ok(['backup', 'verify', '--all'])
  })

  it('that is full fails the backup with 13, and keeps the archives it has', async () => {
    await using work = await makeWorkspace(filesConfig('retention: { keep_last: 1 }'))
    await mkdir(work.at('shelf'))
    await using _full = await mountedOn(work.at('shelf'), await mountTmpfs('1m'))
    await work.write({ 'live/a': 'a' })
    await work.ok(['backup', 'create'])
    const held = await work.files('shelf')
    await work.write({ 'live/large': randomBytes(2 * 2 ** 20) })
    const full = await work.run(['backup', 'create'])
    expectFailure(
      full,
      13,
      /cannot write .* in .*shelf: no space is left/,
      /free some space: df -h/,
    )
    await expectRecorded(work, /no space is left/)
    expect(await work.files('shelf')).toEqual(held)
    await work.ok(['backup', 'verify', '--all'])
  })

  it('one of two fails its copy alone when one is enough, with 3', async () => {
    await using work = await makeWorkspace(`
data_dir: ./state
targets: { shelf: { type: local, path: ./shelf }, broken: { type: local, path: ./broken } }
jobs:
  files: { sources: [{ type: directory, path: ./live }], targets: [shelf, broken], require: 1 }
`)
    await work.write({ 'live/a': 'a', broken: 'a file' })
    const partial = await work.run(['backup', 'create', '--json'])
    expect(partial.code).toBe(3)
    expect(partial.document.backups).toMatchObject([
      { target: 'broken', status: 'failed', error: expect.stringContaining('not a directory') },
      { target: 'shelf', status: 'success', error: null },
    ])
    expect(partial.stderr).toContain('no copy of files/live on broken')
    await work.write({
      'holdfast.yml': (await work.read('holdfast.yml')).replace(', require: 1', ''),
    })
    const before = await work.files('shelf')
    const both = await work.run(['backup', 'create'])
    expectFailure(both, 13, /1 of the 2 targets needed hold the archive: broken: /, /name a dir/)
    expect(await work.files('shelf')).toEqual(before)
  })
})

describe('a disk of our own that is full', () => {
  it('scratch: the backup says how much is needed, and where', async () => {
    await using work = await makeWorkspace(`
data_dir: ./state
scratch_dir: ./scratch
targets: { shelf: { type: local, path: ./shelf } }
jobs: { db: { sources: [{ type: sqlite, path: ./app.db }] } }
`)
    await mkdir(work.at('scratch'))
    await using _scratch = await mountedOn(work.at('scratch'), await mountTmpfs('512k'))
    makeDatabase(work.at('app.db'), 'wal', 1000)
    const ran = await work.run(['backup', 'create'])
    expectFailure(ran, 1, /a copy of .*app\.db needs .* has 512\.0 KiB free/, /free some space/)
    expect(Object.keys(await work.files('scratch'))).toEqual([])
    expect(await work.archives('shelf')).toEqual([])
  })

  it('data_dir: it says so, at the start as in the middle, and a copy that was made is found again', async () => {
    await using work = await makeWorkspace(`
data_dir: ./state
scratch_dir: ./scratch
targets: { shelf: { type: local, path: ./shelf } }
jobs:
  filler: { sources: [{ type: command, name: fill, backup: [sh, -c, "dd if=/dev/zero of=state/fill bs=4k 2>/dev/null; echo done"] }] }
  files: { sources: [{ type: directory, path: ./live }] }
`)
    await mkdir(work.at('state'))
    await using _state = await mountedOn(work.at('state'), await mountTmpfs('600k'))
    await work.write({ 'live/a': 'a' })
    await work.ok(['backup', 'create', 'files'])
    const middle = await work.run(['backup', 'create', 'filler'])
    expectFailure(middle, 1, /state\.db .*the disk is full/, /free space on the file system: df -h/)
    const start = await work.run(['backup', 'create', 'files', '--json'])
    expect(start.code).toBe(1)
    expect(start.document.error).toMatchObject({
      code: 'state_refused',
      message: expect.stringContaining('the disk is full'),
      hint: expect.stringContaining('df -h'),
    })
    const made = await work.archives('shelf')
    expect(made.length).toBeGreaterThanOrEqual(2)

    await rm(work.at('state', 'fill'))
    await work.ok(['apply', '--yes'])
    const { document } = await work.ok(['backup', 'list', '--json'])
    const rows: { status: string; storagePath: string }[] = document.backups
    expect(rows.map(({ storagePath }) => storagePath).sort()).toEqual([...made].sort())
    expect(rows.every(({ status }) => status === 'success')).toBe(true)
    await work.ok(['backup', 'verify', '--all'])
  })

  it('data_dir that is a file, or read-only, is refused before anything is done', async () => {
    await using work = await makeWorkspace(filesConfig())
    await work.write({ 'live/a': 'a', state: 'a file' })
    const file = await work.run(['backup', 'create'])
    expectFailure(file, 1, /cannot make data_dir .*state/, /set data_dir to a folder/)
    await rm(work.at('state'))
    await mkdir(work.at('state'))
    await using _readOnly = await mountedOn(work.at('state'), await mountReadOnly(work.at('state')))
    const readOnly = await work.run(['backup', 'create'])
    expectFailure(readOnly, 1, /cannot open the state .*state\.db/, /data_dir must be a directory/)
    expect(await work.archives('shelf')).toEqual([])
  })

  it('state that is no database of ours is refused, with the way back', async () => {
    await using work = await makeWorkspace(filesConfig())
    await work.write({ 'live/a': 'a' })
    await work.ok(['backup', 'create'])
    for (const name of ['state.db-wal', 'state.db-shm'])
      await rm(work.at('state', name), { force: true })
    await work.write({ 'state/state.db': 'not a database, and longer than that '.repeat(40) })
    const ran = await work.run(['backup', 'list'])
    expectFailure(ran, 1, /state\.db is damaged or no SQLite file/, /.*holdfast state adopt/)
    const hint = /hint: .*?: (mkdir.*) && holdfast state adopt/.exec(ran.stderr)?.[1] ?? ''
    await run('sh', ['-c', hint])
    await work.ok(['state', 'adopt'])
    expect((await work.ok(['backup', 'list', '--json'])).document.backups).toHaveLength(1)
    await appendFile(work.at('live', 'a'), 'b')
  })
})

/** Shows what is mounted elsewhere at `path`, until it is disposed of. */
async function mountedOn(path: string, mounted: Mounted): Promise<AsyncDisposable> {
  await run('mount', ['--bind', mounted.path, path])
  // A bind mount takes over the read-only flag only when it is told again.
  const { stdout } = await run('findmnt', ['-no', 'OPTIONS', mounted.path])
  if (/(^|,)ro(,|$)/.test(stdout)) await run('mount', ['-o', 'remount,ro,bind', path])
  let gone = false
  return {
    async [Symbol.asyncDispose]() {
      if (gone) return
      gone = true
      await run('umount', ['--lazy', path])
      await mounted[Symbol.asyncDispose]()
    },
  }
}
