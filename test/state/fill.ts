import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { backupRow, copyRow, runRow } from '../../src/state/rows.ts'
import { backupOf, copyOf, minute, runOf } from '../contract/history-fixtures.ts'

/** A history of that many runs of 100 jobs, written past the store because that takes a while. */
export function fill(file: string, count: number): void {
  const sqlite = new DatabaseSync(file)
  const statements = new Map<string, StatementSync>()
  sqlite.exec('begin')
  for (let n = 0; n < count; n++) {
    const run = runOf(`r${n}`, `job-${n % 100}`, n, { status: 'success', finishedAt: minute(n) })
    const backup = backupOf(run, { status: 'success', finishedAt: minute(n) })
    insert('runs', runRow(run))
    insert('backups', backupRow(backup))
    insert('copies', copyRow(copyOf(backup, 'nas')))
  }
  sqlite.exec('commit')
  sqlite.close()

  function insert(table: string, row: object): void {
    const names = Object.keys(row).map((name) => `"${name}"`)
    const marks = names.map(() => '?')
    const statement =
      statements.get(table) ?? sqlite.prepare(`insert into ${table} (${names}) values (${marks})`)
    statements.set(table, statement)
    statement.run(...Object.values(row))
  }
}
