import { StateRefused } from '../lib/errors.ts'
import { BACKUP_COLUMNS, COPY_COLUMNS, RUN_COLUMNS } from './rows.ts'
import type { Tables } from './tables.ts'

/**
 * A state as lines of JSON, to move it from one database to another: a head, a line a row, and a tail
 * that counts them, without which it is not whole.
 */
export const FORMAT = 1

/** Tables that a state is made of. Who lives and who holds what is left out: it ends with the minute. */
export type Exchanged = Exclude<keyof Tables, 'schema' | 'instances' | 'leases'>

export type Value = string | number | null

/** One row of one table, by the names of its columns. */
export interface StateRow {
  readonly table: Exchanged
  readonly row: Readonly<Record<string, Value>>
}

export interface Shape {
  /** What tells a row from all others. */
  readonly key: readonly string[]
  readonly columns: readonly string[]
}

/** In an order in which each row finds those that it refers to. */
export const SHAPES: Readonly<Record<Exchanged, Shape>> = {
  runs: { key: ['id'], columns: RUN_COLUMNS },
  backups: { key: ['id'], columns: BACKUP_COLUMNS },
  copies: { key: ['backup', 'target'], columns: COPY_COLUMNS },
  restores: {
    key: ['id'],
    columns: [
      ...['id', 'reference', 'job', 'source', 'group_id', 'backup', 'target', 'key', 'sha256'],
      ...['restored_to', 'in_place', 'status', 'requested_by', 'instance', 'previous'],
      ...['started_at', 'finished_at', 'error', 'released', 'home'],
    ],
  },
  pins: { key: ['target', 'key'], columns: ['target', 'key', 'reason', 'pinned_at'] },
  applied: { key: ['kind'], columns: ['kind', 'body'] },
  fences: { key: ['lease'], columns: ['lease', 'number', 'instance'] },
  journal: { key: ['id'], columns: ['id', 'opened_at', 'body'] },
  outbox: {
    key: ['id'],
    columns: ['id', 'channel', 'body', 'attempts', 'next_at', 'created_at'],
  },
  pauses: { key: ['subject'], columns: ['subject', 'reason', 'author', 'paused_at'] },
  facts: { key: ['key'], columns: ['key', 'value'] },
}

/** Their order. */
export const EXCHANGED = Object.keys(SHAPES) as readonly Exchanged[]

/** Rows of each table. */
export type Counts = Readonly<Partial<Record<Exchanged, number>>>

export interface Head {
  readonly holdfast: 'state'
  readonly format: number
  /** Version of the schema that the rows are of. */
  readonly schema: number
  readonly deployment: string
  /** ISO 8601, UTC. */
  readonly exportedAt: string
}

/** The first line, parsed. Throws `StateRefused` unless it begins a file that this program reads. */
export function parseHead(line: string): Head {
  const head = object(line, 1)
  if (head.holdfast !== 'state') throw notOurs(1, 'it does not begin as one')
  if (head.format !== FORMAT || typeof head.schema !== 'number') {
    throw new StateRefused(
      `the file has format ${String(head.format)}, this program reads ${FORMAT}`,
      {
        hint: 'import it with the version of Holdfast that wrote it',
      },
    )
  }
  return head as unknown as Head
}

/** Any later line, parsed: a row, or the counts of the last line. `number` is for the words of a refusal. */
export function parseLine(line: string, number: number): StateRow | { readonly end: Counts } {
  const parsed = object(line, number)
  if (isRecord(parsed.end)) return { end: parsed.end as Counts }
  const { table, row } = parsed
  const shape = typeof table === 'string' ? SHAPES[table as Exchanged] : undefined
  if (!shape || !isRecord(row)) throw notOurs(number, 'it holds no row of a table')
  for (const [column, value] of Object.entries(row)) {
    if (!shape.columns.includes(column)) throw notOurs(number, `there is no column ${column}`)
    if (value !== null && typeof value !== 'string' && typeof value !== 'number') {
      throw notOurs(number, `${column} is no text and no number`)
    }
  }
  return { table: table as Exchanged, row: row as StateRow['row'] }
}

/** Throws `StateRefused` unless as many rows came as were told. */
export function checkCounts(told: Counts, came: Counts): void {
  for (const table of EXCHANGED) {
    if ((told[table] ?? 0) !== (came[table] ?? 0)) {
      throw cut(`it tells of ${told[table] ?? 0} ${table} and holds ${came[table] ?? 0}`)
    }
  }
}

/** A file that is not whole. */
export function cut(why: string): StateRefused {
  return new StateRefused(`the file is not whole: ${why}`, { hint: 'export the state again' })
}

function object(line: string, number: number): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(line)
    if (isRecord(parsed)) return parsed
  } catch {
    // The same to whoever reads it.
  }
  throw notOurs(number, 'it is no JSON object')
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function notOurs(number: number, why: string): StateRefused {
  return new StateRefused(`line ${number} is no part of an exported state: ${why}`, {
    hint: 'name a file as this writes it: holdfast state export',
  })
}
