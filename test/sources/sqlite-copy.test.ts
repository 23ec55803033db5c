import { createHash } from 'node:crypto'
import { appendFileSync } from 'node:fs'
import {
  cp,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Millis } from '../../src/core/model.ts'
import { section } from '../../src/core/section.ts'
import { Interrupted, SourceFailed } from '../../src/lib/errors.ts'
import { copyAtRest } from '../../src/platform/sqlite/copy-at-rest.ts'
import type { Dump, SourceContext } from '../../src/sources/source.ts'
import { dumpDatabase } from '../../src/sources/sqlite/dump.ts'
import { sqlite } from '../../src/sources/sqlite.ts'
import { mountReadOnly } from '../support/mounts.ts'
import { elsewhere, end, examine, HOLDER, makeDatabase, WRITER } from '../support/sqlite.ts'

const NEVER = new AbortController().signal

let folder = ''
let path = ''
let context: SourceContext

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-sqlite-'))
  await mkdir(join(folder, 'live'))
  await mkdir(join(folder, 'scratch'))
  path = join(folder, 'live', 'app.db')
  context = { scratch: join(folder, 'scratch'), leaveOut: [], token: 'token' }
})
afterEach(() => rm(folder, { recursive: true, force: true }))

/** Dumps, and keeps the copy under a name of its own after the dump let go. */
async function copied(options: Record<string, boolean> = {}) {
  await using dump: Dump = await sqlite
    .configure(section('source', { path, ...options }))
    .dump(context, NEVER)
  if (dump.content.kind !== 'file') throw new Error('a sqlite dump is a file')
  const beside = (await readdir(context.scratch)).length
  const copy = join(folder, `copy-${Math.random()}.sqlite`)
  await cp(dump.content.path, copy)
  return { copy, beside, report: await dump.finish(null) }
}

/** Name, size and hash of all that lies in the live folder. */
async function live(): Promise<readonly string[]> {
  const names = (await readdir(join(folder, 'live'))).sort()
  return await Promise.all(
    names.map(async (name) => {
      const bytes = await readFile(join(folder, 'live', name))
      return `${name} ${bytes.length} ${createHash('sha256').update(bytes).digest('hex')}`
    }),
  )
}

describe('sqlite: the copy of a busy database', () => {
  for (const mode of ['wal', 'delete'] as const) {
    it(`is of one moment while somebody commits every few milliseconds, in mode ${mode}`, async () => {
      makeDatabase(path, mode)
      const writer = await elsewhere(path, WRITER)
      try {
        const seen: number[] = []
        for (let round = 0; round < 3; round++) {
          const { copy, report } = await copied()
          const found = examine(copy)
          expect(found).toMatchObject({ unpaired: 0, rows: 200, integrity: 'ok' })
          expect(report.facts).toMatchObject({ path, journalMode: mode })
          expect(report.contentBytes).toBe((await stat(copy)).size)
          seen.push(found.moved)
          while (examine(path).moved <= found.moved) await sleep(5)
        }
        expect(seen.toSorted((a, b) => a - b)).toEqual(seen)
        expect(new Set(seen).size).toBe(3)
        expect(writer.exitCode).toBeNull()
      } finally {
        await end(writer)
      }
      expect(examine(path)).toMatchObject({ unpaired: 0, integrity: 'ok' })
    })
  }

  it('leaves the WAL of a killed writer as it is, and has what stands in it', async () => {
    makeDatabase(path, 'wal')
    await end(await elsewhere(path, WRITER))
    const before = (await live()).filter((line) => !line.startsWith('app.db-shm'))
    const { copy } = await copied()
    expect((await live()).filter((line) => !line.startsWith('app.db-shm'))).toEqual(before)
    expect((await stat(`${path}-wal`)).size).toBeGreaterThan(0)
    expect(examine(copy).moved).toBeGreaterThanOrEqual(3)
  })

  it('leaves no trace beside an idle database', async () => {
    for (const mode of ['wal', 'delete'] as const) {
      await rm(path, { force: true })
      makeDatabase(path, mode)
      const before = await live()
      await copied()
      expect(await live()).toEqual(before)
    }
  })

  it('does not roll back what a killed writer left half-done, but has it rolled back', async () => {
    await leaveHotJournal()
    const before = await live()
    const { copy } = await copied()
    expect(await live()).toEqual(before)
    expect(examine(copy)).toMatchObject({ unpaired: 0, moved: 0, integrity: 'ok' })
  })
})

/** A rollback-mode database whose writer was killed after its first pages reached the file. */
async function leaveHotJournal(): Promise<void> {
  makeDatabase(path, 'delete')
  await end(
    await elsewhere(
      path,
      `database.exec('pragma cache_size=5; begin; update pair set a = 7, filler = randomblob(2000)')
       process.stdout.write('ready')
       setInterval(() => {}, 1000)`,
    ),
  )
  expect((await stat(`${path}-journal`)).size).toBeGreaterThan(0)
}

describe('sqlite: the copy', () => {
  it('is one plain file that keeps what marks the database', async () => {
    {
      using database = new DatabaseSync(path)
      database.exec('pragma page_size=8192; pragma journal_mode=wal')
      database.exec('pragma user_version=42; pragma application_id=4711; create table t (x)')
    }
    const { copy, beside, report } = await copied()
    expect(beside).toBe(1)
    using database = new DatabaseSync(copy)
    const one = (sql: string) => Object.values(database.prepare(sql).get() ?? {})[0]
    expect(one('pragma journal_mode')).toBe('delete')
    expect(one('pragma page_size')).toBe(8192)
    expect(one('pragma user_version')).toBe(42)
    expect(one('pragma application_id')).toBe(4711)
    expect(report.facts).toMatchObject({
      pageSize: 8192,
      journalMode: 'wal',
      userVersion: 42,
      applicationId: 4711,
    })
    expect((await stat(copy)).mode & 0o077).toBe(0)
  })

  it('is gone, with all beside it, once the dump is let go of', async () => {
    makeDatabase(path, 'wal')
    await copied()
    expect(await readdir(context.scratch)).toEqual([])
  })

  it('follows a link to the database and the files beside it', async () => {
    makeDatabase(path, 'wal')
    await end(await elsewhere(path, WRITER))
    const link = join(folder, 'link.db')
    await symlink(path, link)
    path = link
    expect(examine((await copied()).copy).moved).toBeGreaterThanOrEqual(3)
  })

  it('warns when only part of it could be checked without the code of its application', async () => {
    makeDatabase(path, 'wal')
    {
      using database = new DatabaseSync(path)
      database.function('own', { deterministic: true }, (x) => x)
      database.exec('create index odd on pair (own(a))')
    }
    const { report } = await copied()
    expect(report.warnings).toEqual([expect.stringMatching(/^integrity: .*own/)])
  })
})

describe('sqlite: no copy', () => {
  const refused = async (options = {}) => {
    const error = await copied(options).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(SourceFailed)
    expect(await readdir(context.scratch)).toEqual([])
    return error as SourceFailed
  }

  it('of a database that is missing, a folder, empty, or something else', async () => {
    expect((await refused()).message).toMatch(/does not exist/)

    await mkdir(path)
    expect((await refused()).hint).toMatch(/type directory/)
    await rm(path, { recursive: true })

    await writeFile(path, '')
    expect((await refused()).hint).toMatch(/allow_empty/)
    await writeFile(path, 'x'.repeat(8192))
    expect((await refused()).message).toMatch(/not a SQLite database, or is encrypted/)
    await writeFile(path, 'SQLite')
    expect((await refused()).message).toMatch(/not a SQLite database/)

    await rm(path)
    new DatabaseSync(path).exec('pragma user_version=1')
    expect((await refused()).message).toMatch(/has no tables/)
  })

  it('of nothing, unless that is allowed: then it is nothing, and comes back as nothing', async () => {
    await writeFile(path, '')
    const { copy, report } = await copied({ allow_empty: true })
    expect((await stat(copy)).size).toBe(0)
    expect(report.facts).toMatchObject({ pageCount: 0 })
  })

  it('of a damaged database', async () => {
    makeDatabase(path, 'delete')
    await using file = await open(path, 'r+')
    await file.write(Buffer.alloc(5000, 0xff), 0, 5000, 4096 * 20)
    expect((await refused()).message).toMatch(/is damaged/)
  })

  it('of a database whose pages are all readable but contradict each other', async () => {
    makeDatabase(path, 'wal')
    {
      using database = new DatabaseSync(path, { defensive: false })
      database.exec('insert into pair (a, b) values (null, 0)')
      database.exec('pragma writable_schema=on')
      database.exec(
        `update sqlite_schema set sql = replace(sql, 'a integer', 'a integer not null')`,
      )
    }
    expect((await refused()).message).toMatch(/is damaged: integrity_check found: NULL value/)
  })

  it('of a database that lost its end', async () => {
    makeDatabase(path, 'delete')
    await truncate(path, 4096 * 30)
    expect((await refused()).message).toMatch(/is damaged/)
  })

  it('that does not fit into scratch', async () => {
    makeDatabase(path, 'delete')
    await truncate(path, 8 * 2 ** 40)
    const { message, hint } = await refused()
    expect(message).toMatch(/needs 8\.0 TiB/)
    expect(hint).toMatch(/scratch_dir/)
  })

  it('of a database that stays locked, and says so', async () => {
    makeDatabase(path, 'delete')
    const holder = await elsewhere(path, `database.exec('begin exclusive'); ${HOLDER}`)
    try {
      const settings = { path, allowEmpty: false }
      const dump = dumpDatabase(settings, context, NEVER, 100 as Millis)
      await expect(dump).rejects.toThrow(/stayed locked/)
    } finally {
      await end(holder)
    }
  })

  it('once told to stop: with the reason, and with nothing left behind', async () => {
    makeDatabase(path, 'delete')
    const holder = await elsewhere(path, `database.exec('begin exclusive'); ${HOLDER}`)
    const stop = new AbortController()
    try {
      const settings = { path, allowEmpty: false }
      const dump = dumpDatabase(settings, context, stop.signal)
      stop.abort(new Interrupted('shutdown'))
      await expect(dump).rejects.toBe(stop.signal.reason)
      expect(await readdir(context.scratch)).toEqual([])
    } finally {
      await end(holder)
    }
  })
})

describe('sqlite: the copy of a database that cannot be opened where it lies', () => {
  it('has what stands in its WAL', async () => {
    makeDatabase(path, 'wal')
    await end(await elsewhere(path, WRITER))
    const copy = join(folder, 'copy.sqlite')
    await copyAtRest(path, copy)
    expect(examine(copy)).toMatchObject({ unpaired: 0, integrity: 'ok' })
    expect(examine(copy).moved).toBeGreaterThanOrEqual(3)
  })

  it('is made where nothing may be written, idle or not', async () => {
    makeDatabase(path, 'wal')
    const readOnly = async () => {
      await using mounted = await mountReadOnly(join(folder, 'live'))
      const source = sqlite.configure(section('source', { path: join(mounted.path, 'app.db') }))
      await using dump = await source.dump(context, NEVER)
      if (dump.content.kind !== 'file') throw new Error('a sqlite dump is a file')
      return examine(dump.content.path)
    }
    expect(await readOnly()).toMatchObject({ moved: 0, unpaired: 0, integrity: 'ok' })
    const writer = await elsewhere(path, WRITER)
    try {
      expect((await readOnly()).moved).toBeGreaterThanOrEqual(3)
    } finally {
      await end(writer)
    }
    expect((await readOnly()).moved).toBeGreaterThanOrEqual(3)
    await rm(`${path}-shm`)
    expect((await readOnly()).moved).toBeGreaterThanOrEqual(3)
  })

  it('is taken of one that was changed in what a clock set back calls the future', async () => {
    makeDatabase(path, 'delete')
    const soon = Date.now() / 1000 + 3600
    await utimes(path, soon, soon)
    await copyAtRest(path, join(folder, 'copy.sqlite'))
    expect(examine(join(folder, 'copy.sqlite')).integrity).toBe('ok')
  })

  it('is refused while anything of it changes', async () => {
    makeDatabase(path, 'wal')
    const change = () => appendFileSync(`${path}-wal`, 'x')
    change()
    const timer = setInterval(change, 20)
    try {
      await expect(copyAtRest(path, join(folder, 'copy.sqlite'))).rejects.toThrow(/keeps changing/)
    } finally {
      clearInterval(timer)
    }
  })
})
