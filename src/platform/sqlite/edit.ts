import type { DatabaseSync } from 'node:sqlite'
import type { Edited, RowEdit } from './task.ts'

/** Gives a row of a copy its other value. One that has it already is not written to. */
export function editRow(database: DatabaseSync, { table, read, write, value }: RowEdit): Edited {
  const sql = "select count(*) as tables from sqlite_schema where type = 'table' and name = ?"
  if (database.prepare(sql).get(table)?.tables !== 1) return null
  const [found] = Object.values(database.prepare(read).get() ?? {})
  const before = found instanceof Uint8Array ? Buffer.from(found).toString('hex') : null
  if (before !== value) database.prepare(write).run(Buffer.from(value, 'hex'))
  return { before }
}
