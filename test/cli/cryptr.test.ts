import { readFile, truncate } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it } from 'vitest'
import type { CryptrKey } from '../../src/core/model.ts'
import { Secret } from '../../src/lib/secret.ts'
import { filesConfig, makeWorkspace, type Workspace } from '../support/holdfast.ts'
import { cryptrEncrypt } from '../support/sealing.ts'

const KEYS = ['k1', 'k2'].map(
  (id, index): CryptrKey => ({
    id,
    key: new Secret(Buffer.alloc(32, index + 1).toString('base64')),
  }),
)
const LINES = KEYS.map(({ id, key }) => `${id}/${key.reveal()}`)
const closedBy = (id: string) =>
  `encryption: { cryptr: { keys: "\${ENC_KEYS}", key_active: ${id} } }`
const env = { ENC_KEYS: LINES.join('\n') }

/** A database of this many rows as Hiqlite leaves it in a bucket. */
async function hiqliteBackup(work: Workspace, key: CryptrKey, name: string): Promise<string> {
  const database = new DatabaseSync(work.at('plain.db'))
  database.exec('begin; create table item (name)')
  const insert = database.prepare('insert into item values (?)')
  for (let row = 0; row < 5000; row++) insert.run(`item ${row} `.repeat(10))
  database.exec('commit')
  database.close()
  async function* content() {
    yield await readFile(work.at('plain.db'))
  }
  const parts: Uint8Array[] = []
  for await (const part of cryptrEncrypt(key)(content())) parts.push(part)
  await work.write({ [name]: Buffer.concat(parts) })
  return work.at(name)
}

function rowsOf(path: string): number {
  using database = new DatabaseSync(path, { readOnly: true })
  return Number(database.prepare('select count(*) as rows from item').get()?.rows)
}

describe('archives that cryptr closes', () => {
  it('are written, verified to their end and restored, whichever key was active then', async () => {
    await using work = await makeWorkspace(filesConfig('', closedBy('k1')))
    await work.write({ 'live/a': 'first' })
    await work.ok(['backup', 'create'], { env })
    await work.write({ 'holdfast.yml': filesConfig('', closedBy('k2')), 'live/a': 'second' })
    await work.ok(['backup', 'create'], { env })
    const keys = await work.archives('shelf')
    expect(keys).toEqual([0, 1].map(() => expect.stringMatching(/Z\.tar\.zst\.cryptr$/)))
    const { verified } = (await work.ok(['backup', 'verify', '--all', '--json'], { env })).document
    expect(verified).toMatchObject([{ ok: true }, { ok: true }])
    const shown = await work.ok(['backup', 'show', 'files'], { env })
    expect(shown.stdout).toMatch(/encryption +cryptr, key k2/)
    await work.write({ 'live/a': 'broken' })
    await work.ok(['restore', 'files', '--yes'], { env })
    expect(await work.read('live', 'a')).toBe('second')
    for (const line of LINES) {
      expect(JSON.stringify(await work.files('state'))).not.toContain(line.slice(3))
      expect(JSON.stringify(await work.files('shelf'))).not.toContain(line.slice(3))
    }
  })

  it('are not restored without their key, which is named, and the data stays as it is', async () => {
    await using work = await makeWorkspace(filesConfig('', closedBy('k1')))
    await work.write({ 'live/a': 'then' })
    await work.ok(['backup', 'create'], { env })
    await work.write({ 'holdfast.yml': filesConfig('', closedBy('k2')), 'live/a': 'now' })
    const restore = await work.run(['restore', 'files', '--yes'], {
      env: { ENC_KEYS: LINES[1] ?? '' },
    })
    expect(restore.code).toBe(12)
    expect(restore.stderr).toMatch(/cryptr's key k1, and the configured ones are k2/)
    expect(await work.read('live', 'a')).toBe('now')
  })
})

describe('a backup that Hiqlite left in a bucket', () => {
  const config = [
    'data_dir: ./state',
    'targets: { shelf: { type: local, path: ./shelf } }',
    'jobs: { db: { source: { type: sqlite, path: ./live.db } } }',
    closedBy('k1'),
    '',
  ].join('\n')
  const restore = (work: Workspace, path: string) =>
    work.run(['restore', '--boot', '--', 'true'], {
      env: { ...env, HQL_BACKUP_RESTORE: `file:${path}` },
    })

  it('is restored by its content, named like a database and closed with any of the keys', async () => {
    await using work = await makeWorkspace(config)
    const [, other] = KEYS
    if (!other) throw new Error('no second key')
    const path = await hiqliteBackup(work, other, 'backup_node_1_1700000000.sqlite')
    expect(await restore(work, path)).toMatchObject({ code: 0 })
    expect(rowsOf(work.at('live.db'))).toBe(5000)
  })

  it('is refused when it was cut at the end of a chunk, and the database stays away', async () => {
    await using work = await makeWorkspace(config)
    const [key] = KEYS
    if (!key) throw new Error('no key')
    const path = await hiqliteBackup(work, key, 'backup_node_1_1700000000.sqlite')
    await truncate(path, 6 + 2 + 7 + 2 * (128 * 1024 + 16))
    const refused = await restore(work, path)
    expect(refused.code).toBe(1)
    expect(refused.stdout + refused.stderr).toMatch(/was changed or cut off/)
    expect(Object.keys(await work.files())).not.toContain('live.db')
  })
})
