import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { InstanceId, Instant, JobId, Millis, TargetId } from '../../src/core/model.ts'
import { exportFile, importFile } from '../../src/state/exchange-file.ts'
import { MIGRATIONS } from '../../src/state/migrations.ts'
import type { Store } from '../../src/state/store.ts'
import { backupOf, copyOf, minute, restoreOf, runOf } from '../contract/history-fixtures.ts'
import { failure, succeed } from '../contract/store-bench.ts'
import { type PgBouncer, startPgBouncer } from '../services/pgbouncer.ts'
import { HASTY, type PostgresServer, startPostgres } from '../services/postgres.ts'
import { fill } from './fill.ts'
import { openAt } from './open-at.ts'

const SCHEMA = MIGRATIONS.length
const TOLD = { deployment: 'default', exportedAt: '2026-11-21T00:00:00.000Z' }

let server: PostgresServer
let pooler: PgBouncer
let folder: string
let opened: Store[]

beforeAll(async () => {
  server = await startPostgres(HASTY)
  pooler = await startPgBouncer(server)
})

afterAll(async () => {
  await pooler[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-exchange-'))
  opened = []
})

afterEach(async () => {
  for (const store of opened) await store.close()
  rmSync(folder, { recursive: true, force: true })
})

describe('an exported state', () => {
  it('is the same on PostgreSQL, behind PgBouncer, and back on SQLite', async () => {
    const first = await open(join(folder, 'first.db'))
    await live(first)
    const before = await memory(first)
    const places = [
      await server.database(),
      pooler.through(await server.database()),
      join(folder, 'back.db'),
    ]
    let from = first
    for (const [index, place] of places.entries()) {
      const to = await open(place)
      await move(from, to, `${index}`)
      expect(await memory(to)).toEqual(before)
      from = to
    }
    const lines = (name: string) => readFileSync(join(folder, name), 'utf8').split('\n').sort()
    expect(lines('2')).toEqual(lines('0'))
  })

  it('leaves out who lives and who holds what, and its numbers go on growing', async () => {
    const first = await open(join(folder, 'first.db'))
    await live(first)
    const to = await open(await server.database())
    for (let n = 0; n < 9; n++) await to.takeFence('job/late', 'early' as InstanceId)
    await to.takeFence('job/shop', 'early' as InstanceId)
    await first.takeFence('job/late', 'one' as InstanceId)
    await move(first, to)
    expect(await to.fenceOf('job/late')).toBe(9)
    expect(await to.leases()).toEqual([])
    expect(await to.instances()).toEqual([])
    const taken = await to.takeLease('job/shop', 'two' as InstanceId, 1000 as Millis)
    expect(taken).toEqual({ kind: 'taken', fence: 5 })
  })

  it('is told by one file that only its owner reads, line by line, with its counts', async () => {
    const store = await open(join(folder, 'first.db'))
    await live(store)
    const path = join(folder, 'state.jsonl')
    const counts = await exportFile(store, path, TOLD)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    const lines = readFileSync(path, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines[0]).toEqual({ holdfast: 'state', format: 1, schema: SCHEMA, ...TOLD })
    expect(lines.at(-1)).toEqual({ end: counts })
    expect(counts).toMatchObject({ runs: 3, backups: 3, copies: 2, restores: 1, facts: 1 })
    expect(lines).toHaveLength(Object.values(counts).reduce((sum, count) => sum + count, 2))
    await expect(exportFile(store, path, TOLD)).rejects.toThrow('is there already')
  })

  it('goes into a state that is new, and into no other', async () => {
    const first = await open(join(folder, 'first.db'))
    await live(first)
    const used = await open(await server.database())
    await used.openRun(runOf('r1', 'mine', 0))
    await expect(move(first, used)).rejects.toMatchObject({
      message: 'the state is not empty: it holds runs',
      hint: expect.stringContaining('one that is new'),
    })
    expect((await used.history({ depth: 'full', jobs: null })).runs).toHaveLength(1)
  })

  it('is taken whole or not at all', async () => {
    const first = await open(join(folder, 'first.db'))
    await live(first)
    const path = join(folder, 'state.jsonl')
    await exportFile(first, path, TOLD)
    const whole = readFileSync(path, 'utf8')
    const lines = whole.trimEnd().split('\n')
    const broken: readonly (readonly [string, string])[] = [
      [lines.slice(0, -1).join('\n'), 'its last line is missing'],
      [whole.slice(0, whole.length / 2), 'it is no JSON object'],
      [[...lines.slice(0, -2), ...lines.slice(-1)].join('\n'), 'it tells of 1 facts and holds 0'],
      [`${whole}${lines[1]}\n`, 'comes after its end'],
      [lines.slice(1).join('\n'), 'it does not begin as one'],
      ['', 'its last line is missing'],
      [whole.replace('"job":', '"evil":'), 'there is no column evil'],
      [whole.replace('"format":1', '"format":2'), 'has format 2'],
      [
        whole.replace(`"schema":${SCHEMA}`, `"schema":${SCHEMA + 1}`),
        `schema version ${SCHEMA + 1}`,
      ],
    ]
    for (const place of [join(folder, 'to.db'), await server.database()]) {
      const to = await open(place)
      for (const [text, why] of broken) {
        const file = join(folder, 'broken.jsonl')
        writeFileSync(file, text)
        await expect(importFile(to, file, SCHEMA), why).rejects.toThrow(why)
        expect((await to.history({ depth: 'full', jobs: null })).runs).toEqual([])
      }
      // Of a schema before this one: what that did not know is empty.
      const older = lines.map((line) => line.replace(/,"encryption":(null|"[^"]*")/, ''))
      writeFileSync(path, `${older.join('\n').replace(`"schema":${SCHEMA}`, '"schema":1')}\n`)
      await importFile(to, path, SCHEMA)
      expect((await to.history({ depth: 'full', jobs: null })).copies).toHaveLength(2)
    }
  })

  it('is moved in memory that does not grow with it', async () => {
    const first = await open(join(folder, 'first.db'))
    fill(join(folder, 'first.db'), 20_000)
    const url = await server.database()
    const to = await open(url)
    await Promise.all([first, to].map((store) => store.close()))
    opened = []
    // As objects the rows alone take three times as much.
    const child = spawn(process.execPath, [
      '--max-old-space-size=44',
      join(import.meta.dirname, 'exchange-child.ts'),
      ...[join(folder, 'first.db'), url, join(folder, 'moved')],
    ])
    expect(await once(child, 'exit')).toEqual([0, null])
    expect(await server.ask(url, 'select count(*) from holdfast.copies')).toEqual(['20000'])
  })
})

async function open(place: string): Promise<Store> {
  const store = await openAt(place)
  opened.push(store)
  return store
}

async function move(from: Store, to: Store, name = 'moved'): Promise<void> {
  const path = join(folder, name)
  await exportFile(from, path, TOLD)
  await importFile(to, path, SCHEMA)
}

/** All that a store tells, in an order of its own. */
async function memory(store: Store) {
  const { runs, backups, copies, restores } = await store.history({ depth: 'full', jobs: null })
  const sorted = (all: readonly object[]) => all.map((one) => JSON.stringify(one)).sort()
  return {
    runs: sorted(runs),
    backups: sorted(backups),
    copies: sorted(copies),
    restores: sorted(restores),
    applied: await store.applied(),
    pins: await store.pins(),
    pauses: await store.pauses(),
    journal: await store.journal(),
    outbox: await store.outbox(minute(1000)),
    fact: await store.fact('notify.state:shop'),
    fences: [await store.fenceOf('job/shop'), await store.fenceOf('job/blog')],
  }
}

/** Everything that there is, with signs and sizes that a file might get wrong. */
async function live(store: Store): Promise<void> {
  const run = runOf('r1', 'shop', 0, { name: 'before "the" upgrade\n', status: 'success' })
  const failed = runOf('r2', 'shop', 1, { slot: null, trigger: 'manual', finishedAt: minute(3) })
  const unfinished = runOf('r3', 'blog', 2)
  for (const one of [run, failed, unfinished]) await store.openRun(one)
  const backup = await succeed(store, run, { contentBytes: (2 ** 52) as never, app: 'ü\u2028' })
  await store.saveCopy(copyOf(backup, 'nas', { verify: 'ok', verifiedAt: minute(9) }))
  await store.saveCopy(
    copyOf(backup, 'offsite', {
      status: 'failed',
      error: 'línea\r\n\t\\',
      retained: { until: minute(5) as Instant, why: 'compliance' as never },
      encryption: null as never,
    }),
  )
  const broken = backupOf(failed, { source: 'db' })
  await store.openBackup(broken)
  await store.closeBackup(broken.id, { ...failure('boom'), warnings: ['a', 'b'] })
  await store.openBackup(backupOf(unfinished))
  await store.openRestore(restoreOf('x'))
  await store.saveApplied({
    targets: [{ id: 'nas' as TargetId, fingerprint: 'f', facts: { path: '/srv' } }],
    jobs: [],
  })
  await store.savePins('nas' as TargetId, [
    { target: 'nas' as TargetId, key: 'k', reason: 'why', at: minute(0) },
  ])
  await store.savePause({ subject: 'blog' as JobId, reason: 'r', author: 'a', at: minute(0) })
  await store.openJournal({
    id: 'j',
    openedAt: minute(0),
    kind: 'delete',
    target: 'nas' as TargetId,
    key: 'k',
    backup: backup.id,
  })
  await store.enqueue({
    id: 'm',
    channel: 'ops',
    body: '{"a":1}',
    attempts: 2,
    nextAt: minute(5),
    createdAt: minute(4),
  })
  await store.saveFact('notify.state:shop', 'failing')
  for (let n = 0; n < 3; n++) await store.takeFence('job/shop', 'one' as InstanceId)
  await store.takeLease('job/shop', 'one' as InstanceId, 3_600_000 as Millis)
}
