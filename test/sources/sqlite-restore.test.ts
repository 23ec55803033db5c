import { createHash } from 'node:crypto'
import {
  chmod,
  chown,
  copyFile,
  cp,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { section } from '../../src/core/section.ts'
import { ArchiveDamaged, RestoreFailed } from '../../src/lib/errors.ts'
import { ask } from '../../src/platform/sqlite/ask.ts'
import type { RestoreTask, Source, SourceContext, SourceReport } from '../../src/sources/source.ts'
import { sqlite } from '../../src/sources/sqlite.ts'
import { archiveTo, fill, restoreFrom, taskOf } from '../contract/source.ts'
import { elsewhere, end, examine, HOLDER, makeDatabase, WRITER } from '../support/sqlite.ts'

const NEVER = new AbortController().signal
const PREVIOUS = '.app.db.holdfast-previous-token'

let folder = ''
let live = ''
let path = ''
let archive = ''
let source: Source
let context: SourceContext
let report: SourceReport

/** An archive of the database of `mode`, whose rows were all moved by 0; the live one by 5. */
async function archived(mode: 'wal' | 'delete'): Promise<void> {
  makeDatabase(path, mode)
  report = await archiveTo(archive, source, context)
  using database = new DatabaseSync(path)
  database.exec('update pair set a = 5, b = -5')
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-sqlite-'))
  live = join(folder, 'live')
  await mkdir(live)
  await mkdir(join(folder, 'scratch'))
  path = join(live, 'app.db')
  archive = join(folder, 'archive.sqlite')
  source = sqlite.configure(section('source', { path }))
  context = { scratch: join(folder, 'scratch'), leaveOut: [], token: 'token' }
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const restore = (task: Partial<RestoreTask> = {}) =>
  restoreFrom(archive, source, taskOf({ facts: report.facts, ...task }), context)

const stage = (task: Partial<RestoreTask> = {}) =>
  source.stage(taskOf({ facts: report.facts, ...task }), context, NEVER)

/** Name, size and hash of all that lies in the live folder. */
async function everything(): Promise<readonly string[]> {
  const names = (await readdir(live)).sort()
  return await Promise.all(
    names.map(async (name) => {
      const bytes = await readFile(join(live, name))
      return `${name} ${bytes.length} ${createHash('sha256').update(bytes).digest('hex')}`
    }),
  )
}

describe('sqlite: a restore into a database in use', () => {
  for (const mode of ['wal', 'delete'] as const) {
    it(`is refused while somebody merely has it open, in mode ${mode}`, async () => {
      await archived(mode)
      const holder = await elsewhere(path, HOLDER)
      try {
        const before = await everything()
        const error: unknown = await stage().catch((thrown: unknown) => thrown)
        expect(error).toBeInstanceOf(RestoreFailed)
        expect(String(error)).toContain(`(process ${holder.pid})`)
        expect((error as RestoreFailed).hint).toContain('--force')
        expect(await everything()).toEqual(before)
        const { remarks } = await source.describe(taskOf({}), NEVER)
        expect(remarks.join()).toContain(`(process ${holder.pid})`)
      } finally {
        await end(holder)
      }
      await restore()
      expect(examine(path).moved).toBe(0)
    })
  }

  it('is refused when it came into use while the archive was read', async () => {
    await archived('wal')
    const staging = await stage()
    await fill(staging, archive)
    const holder = await elsewhere(path, HOLDER)
    try {
      await expect(staging.finish(null, NEVER)).rejects.toThrow(/is in use by/)
    } finally {
      await end(holder, 'SIGTERM')
    }
    await staging.discard()
    expect(examine(path).moved).toBe(5)
  })

  it('goes on when forced, and says what that means', async () => {
    await archived('wal')
    const holder = await elsewhere(path, HOLDER)
    try {
      const { warnings } = await restore({ force: true })
      expect(warnings.join()).toMatch(/was in use by .*restart it/)
    } finally {
      await end(holder)
    }
    expect(examine(path)).toMatchObject({ moved: 0, integrity: 'ok' })
  })

  it('finds by locks who cannot be seen, and leaves no trace of asking', async () => {
    const probed = async () => {
      const before = await everything()
      const link = join(live, '.probe')
      const answer = await ask<'probe'>({ kind: 'probe', path, link }, NEVER)
      expect(await everything()).toEqual(before)
      return answer.kind === 'probed' ? answer.state : answer.message
    }
    for (const mode of ['wal', 'delete'] as const) {
      await rm(path, { force: true })
      makeDatabase(path, mode)
      expect(await probed()).toBe('free')
      const idle = await elsewhere(path, HOLDER)
      // The one that nobody can see by locks: this is what the look at /proc is for.
      expect(await probed()).toBe(mode === 'wal' ? 'busy' : 'free')
      await end(idle)
      const writing = await elsewhere(path, `database.exec('begin immediate'); ${HOLDER}`)
      expect(await probed()).toBe('busy')
      await end(writing)
      for (const suffix of ['-wal', '-shm', '-journal']) await rm(path + suffix, { force: true })
    }
    await writeFile(path, 'no database')
    expect(await probed()).toBe('unknown')
  })
})

describe('sqlite: a restore', () => {
  it('moves the database aside with all that lies beside it, before its own takes the place', async () => {
    await archived('wal')
    for (const suffix of ['-wal', '-shm', '-journal']) await writeFile(path + suffix, 'stale')
    const staging = await stage()
    await fill(staging, archive)
    const staged = await staging.finish(null, NEVER)
    const previous = join(live, PREVIOUS)
    expect(staged.moves).toEqual([
      { from: path, to: previous },
      { from: `${path}-wal`, to: `${previous}-wal` },
      { from: `${path}-shm`, to: `${previous}-shm` },
      { from: `${path}-journal`, to: `${previous}-journal` },
      { from: staging.sink.kind === 'file' ? staging.sink.path : '', to: path },
    ])
    expect(staged.previous).toBe(previous)
    await staging.discard()
  })

  it('keeps the journal of a killed writer away from the restored database', async () => {
    await archived('delete')
    await end(
      await elsewhere(
        path,
        `database.exec('pragma cache_size=5; begin; update pair set a = 7, filler = randomblob(2000)')
         process.stdout.write('ready')
         setInterval(() => {}, 1000)`,
      ),
    )
    expect((await stat(`${path}-journal`)).size).toBeGreaterThan(0)
    // What would happen otherwise: the journal writes old pages into the restored database.
    const spoilt = join(folder, 'spoilt.db')
    await copyFile(archive, spoilt)
    await copyFile(`${path}-journal`, `${spoilt}-journal`)
    const torn = examine(spoilt)
    expect([torn.moved, torn.unpaired, torn.integrity]).not.toEqual([0, 0, 'ok'])

    await restore()
    expect(examine(path)).toMatchObject({ moved: 0, unpaired: 0, rows: 200, integrity: 'ok' })
    // And the old one still is what it was, its half-done change rolled back.
    expect(examine(join(live, PREVIOUS))).toMatchObject({ moved: 5, unpaired: 0, integrity: 'ok' })
  })

  it('keeps the old database openable, with what stood in its WAL', async () => {
    await archived('wal')
    await end(await elsewhere(path, WRITER))
    const staged = await restore()
    expect(examine(path).moved).toBe(0)
    expect(examine(staged.previous ?? '')).toMatchObject({ unpaired: 0, integrity: 'ok' })
  })

  it('gives back the journal mode, and mode and owner of the file it replaces', async () => {
    await archived('wal')
    await chmod(path, 0o640)
    await chown(path, 1234, 2345)
    await restore()
    expect(await stat(path)).toMatchObject({ uid: 1234, gid: 2345, mode: 0o100640 })
    using database = new DatabaseSync(path)
    expect(database.prepare('pragma journal_mode').get()).toMatchObject({ journal_mode: 'wal' })
  })

  it('brings a lost database back to a folder that is gone too, as it was archived', async () => {
    makeDatabase(path, 'delete')
    await chmod(path, 0o604)
    await chown(path, 1234, 2345)
    report = await archiveTo(archive, source, context)
    await rm(live, { recursive: true })
    const staged = await restore()
    expect(staged.previous).toBeNull()
    expect(await stat(path)).toMatchObject({ uid: 1234, gid: 2345, mode: 0o100604 })
    expect(examine(path).rows).toBe(200)
  })

  it('replaces what a link leads to, not the link', async () => {
    await archived('wal')
    const link = join(folder, 'link.db')
    await symlink(path, link)
    source = sqlite.configure(section('source', { path: link }))
    await restore()
    expect(examine(path).moved).toBe(0)
    expect((await readdir(live)).toSorted()).toEqual([PREVIOUS, 'app.db'])
  })

  it('elsewhere gives the very bytes of the archive to nobody but us', async () => {
    await archived('wal')
    const to = join(folder, 'new', 'place.db')
    await restore({ to })
    expect(await readFile(to)).toEqual(await readFile(archive))
    expect((await stat(to)).mode & 0o777).toBe(0o600)
    await expect(stage({ to })).rejects.toThrow(/exists already/)
  })

  it('of a part is refused', async () => {
    await archived('wal')
    await expect(stage({ only: 'pair' })).rejects.toThrow(/restored whole/)
  })

  it('that does not fit is refused before a byte is read', async () => {
    await archived('wal')
    const facts = { ...report.facts, pageCount: 2 ** 40 }
    await expect(stage({ facts })).rejects.toThrow(/free/)
  })
})

describe('sqlite: a damaged archive', () => {
  const refused = async (facts = report.facts) => {
    const before = await everything()
    const staging = await stage({ facts })
    await fill(staging, archive)
    const error = await staging.finish(null, NEVER).catch((thrown: unknown) => thrown)
    await staging.discard()
    expect(error).toBeInstanceOf(ArchiveDamaged)
    expect(await everything()).toEqual(before)
  }

  it('is found out, and nothing is touched', async () => {
    await archived('wal')
    const whole = join(folder, 'whole.sqlite')
    await rename(archive, whole)

    await cp(whole, archive)
    await using file = await open(archive, 'r+')
    await file.write(Buffer.alloc(300, 0xff), 0, 300, 4096 * 20)
    await refused()

    await cp(whole, archive, { force: true })
    await truncate(archive, 4096 * 40)
    await refused({})

    await writeFile(archive, 'no database')
    await refused()
    await writeFile(archive, '')
    await refused()
  })

  it('is one that has not the pages that were archived', async () => {
    await archived('wal')
    makeDatabase(join(folder, 'other.db'), 'delete', 10)
    await rename(join(folder, 'other.db'), archive)
    await refused()
  })
})
