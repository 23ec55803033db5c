import { link, mkdtemp, open, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openFiles } from '../../src/platform/open-files.ts'
import { elsewhere, end, HOLDER, makeDatabase } from '../support/sqlite.ts'

const NEVER = new AbortController().signal

let folder = ''
let path = ''

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-open-'))
  path = join(folder, 'file')
  await writeFile(path, '')
})
afterEach(() => rm(folder, { recursive: true, force: true }))

describe('openFiles', () => {
  it('finds nobody where nobody is, also for what does not exist', async () => {
    const { holders } = await openFiles([path, join(folder, 'missing')], NEVER)
    expect(holders).toEqual([])
  })

  it('finds who has the file open under another name', async () => {
    const other = join(folder, 'other')
    await link(path, other)
    await using _file = await open(other, 'r')
    await rename(other, join(folder, 'moved'))
    const { holders } = await openFiles([path], NEVER)
    expect(holders).toEqual([{ pid: process.pid, program: expect.any(String), path }])
  })

  it('names another process once for each file, never with its arguments', async () => {
    const database = join(folder, 'app.db')
    makeDatabase(database, 'wal')
    const child = await elsewhere(database, `/* secret */ ${HOLDER}`)
    try {
      const parts = [database, `${database}-wal`, `${database}-shm`]
      const { holders } = await openFiles(parts, NEVER)
      expect(holders.map(({ path }) => path).toSorted()).toEqual(parts.toSorted())
      expect(new Set(holders.map(({ pid }) => pid))).toEqual(new Set([child.pid]))
      expect(JSON.stringify(holders)).not.toContain('secret')
    } finally {
      await end(child)
    }
    expect((await openFiles([database], NEVER)).holders).toEqual([])
  })

  it('stops when told to', async () => {
    const stop = AbortSignal.abort(new Error('enough'))
    await expect(openFiles([path], stop)).rejects.toThrow('enough')
  })
})
