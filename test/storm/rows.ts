import { existsSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import type { Workspace } from '../support/workspace.ts'

/** The state as SQLite shows it to anybody: read by the storm's own few lines, not by the product. */
export interface Rows {
  readonly runs: readonly RunRow[]
  readonly backups: readonly BackupRow[]
  readonly copies: readonly CopyRow[]
  readonly restores: readonly RestoreRow[]
  /** Bodies of what is under way. */
  readonly journal: readonly string[]
}

export interface RunRow {
  readonly id: string
  readonly job: string
  readonly status: string
}

export interface BackupRow {
  readonly id: string
  readonly run: string
  readonly job: string
  readonly source: string
  readonly status: string
  readonly slot: number | null
  readonly started_at: number
  readonly error: string | null
}

export interface CopyRow {
  readonly backup: string
  readonly target: string
  readonly group_id: string
  readonly key: string
  readonly status: string
  readonly bytes: number | null
  readonly sha256: string | null
  readonly taken_at: number
  readonly verify: string
}

export interface RestoreRow {
  readonly id: string
  readonly source: string | null
  readonly sha256: string
  readonly status: string
  readonly in_place: number
  readonly released: number
  readonly previous: string | null
  readonly started_at: number
}

const NOTHING: Rows = { runs: [], backups: [], copies: [], restores: [], journal: [] }

/** What SQLite itself says of the file. */
export function integrityOf(workspace: Workspace): string {
  using database = new DatabaseSync(workspace.at('data', 'state.db'), { readOnly: true })
  return String(database.prepare('pragma integrity_check').get()?.integrity_check)
}

/** All rows of a workspace's state; none where there is no state. */
export function readRows(workspace: Workspace): Rows {
  const path = workspace.at('data', 'state.db')
  if (!existsSync(path)) return NOTHING
  using database = new DatabaseSync(path, { readOnly: true, timeout: 10_000 })
  const made = database.prepare("select count(*) as n from sqlite_schema where name = 'copies'")
  if (made.get()?.n !== 1) return NOTHING
  const all = <T>(sql: string) => database.prepare(sql).all() as unknown as readonly T[]
  return {
    runs: all<RunRow>('select * from runs'),
    backups: all<BackupRow>('select * from backups'),
    copies: all<CopyRow>('select * from copies'),
    restores: all<RestoreRow>('select * from restores order by started_at, id'),
    journal: all<{ body: string }>('select body from journal').map(({ body }) => body),
  }
}
