import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it } from 'vitest'
import { section } from '../../src/core/section.ts'
import { ConfigError } from '../../src/lib/errors.ts'
import { sqlite } from '../../src/sources/sqlite.ts'
import { sourceContract } from '../contract/source.ts'
import { examine, makeDatabase } from '../support/sqlite.ts'

for (const mode of ['wal', 'delete'] as const) {
  sourceContract(`sqlite in mode ${mode}`, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-sqlite-'))
    const path = join(folder, 'app.db')
    makeDatabase(path, mode)
    const source = (at: string) => sqlite.configure(section('source', { path: at }))
    return {
      source: source(path),
      broken: source(join(folder, 'missing.db')),
      contents: async (at) => examine(at ?? path),
      async change() {
        using database = new DatabaseSync(path)
        database.exec('delete from pair where id % 2 = 0')
      },
      elsewhere: join(folder, 'other', 'restored.db'),
      dispose: () => rm(folder, { recursive: true, force: true }),
    }
  })
}

describe('sqlite: its block of the config', () => {
  it('names the key at fault', () => {
    expect(() => sqlite.configure(section('source', {}))).toThrow(ConfigError)
    expect(() => sqlite.configure(section('source', { path: 'app.db' }))).toThrow(
      /must be absolute/,
    )
  })
})
