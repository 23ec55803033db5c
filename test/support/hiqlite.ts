import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { makeDatabase } from './sqlite.ts'

/**
 * The row of a node in a cluster of two at log 4711, as openraft 0.9.21 and bincode 2 (legacy) write
 * it: last applied (term 3, node 1, index 4711), membership of log (1, 1, 2) with nodes 1 `a:8100`
 * `a:8200` and 2 `b:8100` `b:8200`, both voters, last snapshot `0198c0de`.
 */
export const LIVE_META =
  '010300000000000000010000000000000067120000000000000101000000000000000100000000000000020000000000' +
  '000001000000000000000200000000000000010000000000000002000000000000000200000000000000010000000000' +
  '00000100000000000000' +
  '0600000000000000613a38313030' +
  '0600000000000000613a38323030' +
  '02000000000000000200000000000000' +
  '0600000000000000623a38313030' +
  '0600000000000000623a38323030' +
  '01080000000000000030313938633064' +
  '65'

/** The row as the file at `path` has it, in hex; null without one. */
export function metaOf(path: string): string | null {
  using database = new DatabaseSync(path, { readOnly: true })
  const row = database.prepare("select data from _metadata where key = 'meta'").get()
  return row?.data instanceof Uint8Array ? Buffer.from(row.data).toString('hex') : null
}

/** Gives the database at `path` Hiqlite's table, with that row in it unless it is null. */
export function addMeta(path: string, hex: string | null): void {
  using database = new DatabaseSync(path)
  // As spawn_writer of Hiqlite makes it.
  database.exec(`create table if not exists _metadata
    (key text not null constraint _metadata_pk primary key, data blob not null)`)
  database.exec('delete from _metadata')
  if (hex === null) return
  const put = database.prepare("replace into _metadata (key, data) values ('meta', ?)")
  put.run(Buffer.from(hex, 'hex'))
}

/** What a node that was killed leaves in its data_dir: all of it, the lock file as well. */
export async function makeNode(dataDir: string, filename = 'hiqlite.db'): Promise<string> {
  const state = join(dataDir, 'state_machine')
  for (const folder of ['db', 'backups', 'snapshots'])
    await mkdir(join(state, folder), { recursive: true, mode: 0o700 })
  for (const folder of ['logs', 'logs_cache', 'state_machine_cache']) {
    await mkdir(join(dataDir, folder))
    await writeFile(join(dataDir, folder, 'old'), `old ${folder}`)
  }
  await writeFile(join(state, 'snapshots', 'old'), 'old snapshot')
  await writeFile(join(state, 'backups', 'backup_node_1_1700000000.sqlite'), 'a backup')
  await writeFile(join(state, 'lock'), '')
  await writeFile(join(dataDir, 'config.toml'), 'kept')
  const path = join(state, 'db', filename)
  makeDatabase(path, 'wal')
  addMeta(path, LIVE_META)
  return path
}
