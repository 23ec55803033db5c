import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSqliteStore } from '../../src/state/sqlite.ts'
import type { Store } from '../../src/state/store.ts'
import { writer } from './writer.ts'

const SQLITE = JSON.stringify(join(import.meta.dirname, '../../src/state/sqlite.ts'))

let folder: string
let path: string
let opened: Store[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-state-'))
  path = join(folder, 'data', 'state.db')
  opened = []
})

afterEach(async () => {
  for (const store of opened) await store.close()
  rmSync(folder, { recursive: true, force: true })
})

describe('a state in a SQLite file', () => {
  it('syncs each commit to the disk, ahead of the answer', async () => {
    const trace = join(folder, 'trace')
    const code = `
      const { openSqliteStore } = await import(${SQLITE})
      const store = await openSqliteStore({ path: ${JSON.stringify(path)} })
      for (let n = 1; n <= 5; n++) {
        await store.saveFact('key', 'fact-' + n)
        process.stdout.write('acknowledged-' + n)
      }
      await store.close()`
    const argv = ['-f', '-e', 'trace=pwrite64,fdatasync,fsync,write', '-s', '64', '-o', trace]
    const child = spawn('strace', [...argv, process.execPath, '--input-type=module', '-e', code])
    await once(child, 'exit')
    const calls = readFileSync(trace, 'utf8').split('\n')
    const at = (n: number) => calls.findIndex((line) => line.includes(`"acknowledged-${n}"`))
    for (let n = 2; n <= 5; n++) {
      const between = calls.slice(at(n - 1), at(n)).filter((line) => /pwrite64|sync/.test(line))
      expect(between.at(-1), `commit ${n}`).toMatch(/fdatasync|fsync/)
    }
  })

  it('opens for several processes that find it missing at the same moment', async () => {
    const writers = ['a', 'b', 'c', 'd'].map((name) => writer(path, name))
    await Promise.all(writers.map((one) => one.says(2)))
    await Promise.all(writers.map((one) => one.kill()))
    expect(await (await open()).applied()).toBeNull()
  })

  it('keeps all that was acknowledged when its writers are killed', async () => {
    for (let round = 0; round < 8; round++) {
      const writers = [writer(path, `a${round}`), writer(path, `b${round}`)]
      await Promise.all(writers.map((one) => one.says(3 + round * 5)))
      const acknowledged = (await Promise.all(writers.map((one) => one.kill()))).flat()
      const store = await open()
      const { backups, copies } = await store.history({ depth: 'full', jobs: null })
      const successes = new Set(backups.filter((b) => b.status === 'success').map((b) => b.id))
      const kept = new Set(copies.map((copy) => copy.backup))
      expect(acknowledged.length).toBeGreaterThan(3)
      expect(acknowledged.filter((id) => !successes.has(id as never))).toEqual([])
      // The copy was saved before the backup was closed: no success without it.
      expect([...successes].filter((id) => !kept.has(id))).toEqual([])
      const raw = new DatabaseSync(path)
      expect({ ...raw.prepare('pragma integrity_check').get() }).toEqual({ integrity_check: 'ok' })
      expect(raw.prepare('pragma foreign_key_check').all()).toEqual([])
      raw.close()
    }
  })

  it('keeps what it has when the disk is full, says so, and works on once there is room', async () => {
    const code = `
      const { openSqliteStore } = await import(${SQLITE})
      const { rmSync, writeFileSync } = await import('node:fs')
      const ballast = process.argv[1] + '/ballast'
      writeFileSync(ballast, 'x'.repeat(300_000))
      const store = await openSqliteStore({ path: process.argv[1] + '/state.db' })
      const said = []
      let kept = 0
      for (let n = 0; said.length === 0; n++) {
        await store.saveFact('fact-' + n, 'x'.repeat(5000)).then(() => kept++, (error) => said.push(error))
      }
      for (let n = 0; n < kept; n++) if ((await store.fact('fact-' + n)).length !== 5000) throw n
      if ((await store.fact('fact-' + kept)) !== null) throw kept
      rmSync(ballast)
      await store.saveFact('fact-' + kept, 'y')
      console.log(JSON.stringify({ kept, name: said[0].name, message: said[0].message, hint: said[0].hint }))`
    const script =
      'mount -t tmpfs -o size=1m tmpfs "$1" && exec "$2" --input-type=module -e "$3" "$1"'
    const namespace = process.getuid?.() === 0 ? ['-m'] : ['-mr']
    const argv = [...namespace, 'sh', '-ec', script, 'sh', folder, process.execPath, code]
    const child = spawn('unshare', argv, { stdio: ['ignore', 'pipe', 'inherit'] })
    const [said] = await Promise.all([text(child.stdout), once(child, 'exit')])
    expect(JSON.parse(said)).toMatchObject({
      name: 'StateRefused',
      message: expect.stringContaining('the disk is full'),
      hint: expect.stringContaining('free space'),
    })
    expect(JSON.parse(said).kept).toBeGreaterThan(10)
  })
})

async function open(): Promise<Store> {
  const store = await openSqliteStore({ path })
  opened.push(store)
  return store
}
