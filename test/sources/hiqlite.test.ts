import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Options } from '../../src/core/model.ts'
import { section } from '../../src/core/section.ts'
import { ConfigError, SourceFailed } from '../../src/lib/errors.ts'
import { DEFAULT_META, decodeMeta } from '../../src/sources/hiqlite/meta.ts'
import { hiqlite } from '../../src/sources/hiqlite.ts'
import { archiveTo, sourceContract } from '../contract/source.ts'
import { addMeta, LIVE_META, makeNode, metaOf } from '../support/hiqlite.ts'
import { elsewhere, examine, makeDatabase, WRITER, whileIt } from '../support/sqlite.ts'

const configured = (options: Options) => hiqlite.configure(section('source', options))

sourceContract('hiqlite', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-hiqlite-'))
  const path = await makeNode(join(folder, 'data'))
  return {
    source: configured({ data_dir: join(folder, 'data') }),
    broken: configured({ data_dir: join(folder, 'missing') }),
    contents: async (at) => examine(at ?? path),
    async change() {
      using database = new DatabaseSync(path)
      database.exec('delete from pair where id % 2 = 0')
    },
    elsewhere: join(folder, 'other', 'restored.db'),
    dispose: () => rm(folder, { recursive: true, force: true }),
  }
})

let folder = ''
let dataDir = ''
let path = ''
let copy = ''

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-hiqlite-'))
  dataDir = join(folder, 'data')
  copy = join(folder, 'copy.sqlite')
  path = await makeNode(dataDir)
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const archive = (options: Options = {}) =>
  archiveTo(copy, configured({ data_dir: dataDir, ...options }), {
    scratch: folder,
    leaveOut: [],
    token: 'token',
  })

describe('hiqlite: a copy', () => {
  it('is one state of a database that is written to, and belongs to no cluster', async () => {
    const writer = await elsewhere(path, WRITER)
    const { facts, warnings } = await whileIt(archive(), writer)
    expect(writer.signalCode).toBe('SIGKILL') // it wrote to the end
    expect(examine(copy)).toMatchObject({ unpaired: 0, rows: 200, integrity: 'ok' })
    expect(metaOf(copy)).toBe(DEFAULT_META)
    expect(metaOf(path)).toBe(LIVE_META)
    expect(warnings).toEqual([])
    expect(facts).toMatchObject({ nodeId: 1, filenameDb: 'hiqlite.db', lastPersistedLog: 4711 })
  })

  it('gets the row that a node which never shut down has not written yet', async () => {
    addMeta(path, null)
    expect((await archive()).facts).toMatchObject({ lastPersistedLog: null })
    expect(metaOf(copy)).toBe(DEFAULT_META)
  })

  it('is made of the file that the node names', async () => {
    const other = join(folder, 'other')
    await makeNode(other, 'rauthy.sqlite3')
    await archive({ data_dir: other, filename_db: 'rauthy.sqlite3' })
    expect(metaOf(copy)).toBe(DEFAULT_META)
  })

  it('is refused of a database that is not Hiqlite’s, unless told not to look', async () => {
    await rm(path)
    makeDatabase(path, 'wal')
    const refusal = archive()
    await expect(refusal).rejects.toBeInstanceOf(SourceFailed)
    await expect(refusal).rejects.toThrow('is not a Hiqlite database: it has no table _metadata')
    const { warnings } = await archive({ skip_validation: true })
    expect(warnings.join()).toContain('skip_validation')
    expect(examine(copy).rows).toBe(200)
  })

  it('tells of a node that could not start again, and is good itself', async () => {
    addMeta(path, 'ff')
    const { warnings } = await archive()
    expect(warnings.join()).toContain('will not start again')
    expect(metaOf(copy)).toBe(DEFAULT_META)
  })
})

describe('hiqlite: the row of _metadata', () => {
  it('is read as openraft and bincode write it', () => {
    expect(decodeMeta(LIVE_META)).toEqual({ lastApplied: 4711 })
    expect(decodeMeta(DEFAULT_META)).toEqual({ lastApplied: null })
    expect(DEFAULT_META).toBe('00000000000000000000000000000000000000')
  })

  it('is refused cut short at any byte, and with a count that it cannot hold', () => {
    for (let length = 0; length < LIVE_META.length; length += 2) {
      expect(decodeMeta(LIVE_META.slice(0, length))).toBeNull()
    }
    expect(decodeMeta(`0000${'ff'.repeat(8)}${'00'.repeat(9)}`)).toBeNull()
    expect(decodeMeta(`02${'00'.repeat(40)}`)).toBeNull()
  })
})

describe('hiqlite: its block of the config', () => {
  it('names the key at fault', () => {
    const wrong: readonly (readonly [Options, RegExp])[] = [
      [{}, /data_dir/],
      [{ data_dir: 'data' }, /must be absolute/],
      [{ data_dir: '/data', filename_db: '../x' }, /must be the name of a file/],
      [{ data_dir: '/data', node_id: 0 }, /node_id/],
      [{ data_dir: '/data', nodes: 1.5 }, /nodes/],
    ]
    for (const [options, message] of wrong) {
      expect(() => configured(options)).toThrow(ConfigError)
      expect(() => configured(options)).toThrow(message)
    }
  })
})
