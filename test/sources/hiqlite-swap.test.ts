import { spawnSync } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { recoverSwap, type SwapEntry } from '../../src/act/swap.ts'
import type { Instant, RestoreId } from '../../src/core/model.ts'
import { section } from '../../src/core/section.ts'
import { exists } from '../../src/platform/files.ts'
import { DEFAULT_META } from '../../src/sources/hiqlite/meta.ts'
import { hiqlite } from '../../src/sources/hiqlite.ts'
import { fill, taskOf } from '../contract/source.ts'
import { addMeta, makeNode } from '../support/hiqlite.ts'
import type { KillOrder } from '../support/kill-at.ts'
import { KILL_AT } from '../support/preload.ts'
import { examine, makeDatabase } from '../support/sqlite.ts'

const NEVER = new AbortController().signal
const CHILD = join(import.meta.dirname, '../act/swap-child.ts')

let folder = ''

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-hiqlite-'))
  await makeNode(join(folder, 'node'))
  makeDatabase(join(folder, 'backup'), 'delete', 10)
  addMeta(join(folder, 'backup'), DEFAULT_META)
})
afterEach(() => rm(folder, { recursive: true, force: true }))

interface Case {
  readonly dataDir: string
  readonly entry: SwapEntry
  readonly at: (path: string) => string
}

/** A restore that is about to be swapped in, of a node of its own. */
async function staged(name: string): Promise<Case> {
  const dataDir = join(folder, name)
  await cp(join(folder, 'node'), dataDir, { recursive: true })
  const source = hiqlite.configure(section('source', { data_dir: dataDir }))
  const context = { scratch: folder, leaveOut: [], token: 'token' }
  const staging = await source.stage(taskOf({}), context, NEVER)
  await fill(staging, join(folder, 'backup'))
  const { moves, previous, leftovers } = await staging.finish(null, NEVER)
  const fixed = { kind: 'swap', id: 'entry', openedAt: 0 as Instant } as const
  const entry = { ...fixed, restore: 'token' as RestoreId, moves, previous, leftovers }
  return { dataDir, entry, at: (path) => join(dataDir, path) }
}

/** Swaps in a process that dies right after the n-th rename; false when it had no such rename. */
async function killedAfter(nth: number, { entry, dataDir }: Case): Promise<boolean> {
  await writeFile(`${dataDir}.json`, JSON.stringify(entry))
  const order: KillOrder = {
    ...{ phase: 'swap', on: 'rename', match: '.', when: 'after', nth, victim: 'self', delay: 0 },
    log: `${dataDir}.log`,
  }
  const args = ['--import', KILL_AT, CHILD, 'swap', `${dataDir}.json`, `${dataDir}.journal`]
  const env = { ...process.env, KILL_AT: JSON.stringify(order) }
  const { signal, status, stderr } = spawnSync(process.execPath, args, { env, encoding: 'utf8' })
  if (signal === 'SIGKILL') return true
  expect({ status, stderr }).toMatchObject({ status: 0 })
  return false
}

/** Rows of the database at the first of these places that has one. */
async function rowsAt(places: readonly string[]): Promise<number | null> {
  for (const place of places) if (await exists(place)) return examine(place).rows
  return null
}

const memory = { openJournal: async () => {}, closeJournal: async () => {} }
const OLD = ['state_machine/lock', 'state_machine/snapshots', 'logs', 'logs_cache']
const DATABASE = 'state_machine/db/hiqlite.db'
const PREVIOUS = '.holdfast-previous-token'
const STAGING = '.holdfast-staging-token'

describe('hiqlite: a restore that is killed', () => {
  it('never has the old data gone before the new is in place, and is finished after any step', async () => {
    let steps = 0
    for (let nth = 1; ; nth++) {
      const one = await staged(`forward-${nth}`)
      const { at, entry } = one
      if (!(await killedAfter(nth, one))) break
      steps++
      // Whatever was moved by then: both databases are there, whole.
      const isLast = nth === entry.moves.length
      const old = [at(join(PREVIOUS, DATABASE)), ...(isLast ? [] : [at(DATABASE)])]
      expect(await rowsAt(old)).toBe(200)
      expect(await rowsAt([at(join(STAGING, DATABASE)), at(DATABASE)])).toBe(10)

      expect(await recoverSwap(entry, memory)).toMatchObject({ kind: 'forward' })
      expect(examine(at(DATABASE))).toMatchObject({ rows: 10, integrity: 'ok' })
      for (const path of [...OLD, STAGING]) expect(await exists(at(path))).toBe(false)
      for (const path of OLD) expect(await exists(at(join(PREVIOUS, path)))).toBe(true)
      expect(await exists(at('state_machine/backups'))).toBe(true)
    }
    expect(steps).toBe(7)
  })

  it('is taken back after any step when the new database is lost', async () => {
    for (let nth = 1; nth < 7; nth += 2) {
      const one = await staged(`back-${nth}`)
      const { at, entry } = one
      expect(await killedAfter(nth, one)).toBe(true)
      await rm(at(STAGING), { recursive: true })
      expect(await recoverSwap(entry, memory)).toMatchObject({ kind: 'back' })
      expect(examine(at(DATABASE)).rows).toBe(200)
      for (const path of OLD) expect(await exists(at(path))).toBe(true)
      expect(await readFile(at('logs/old'), 'utf8')).toBe('old logs')
    }
  })
})
