/** Primary result codes of SQLite that someone decides by, https://sqlite.org/rescode.html */
export const SQLITE = {
  busy: 5,
  readonly: 8,
  ioerr: 10,
  corrupt: 11,
  full: 13,
  cantopen: 14,
  constraint: 19,
  notadb: 26,
} as const

/** The primary result code of an error that node:sqlite threw, or null for any other thing. */
export function sqliteCode(error: unknown): number | null {
  if (!(error instanceof Error) || !('errcode' in error)) return null
  return typeof error.errcode === 'number' ? error.errcode & 0xff : null
}

/** Whether SQLite said that another connection holds what was wanted. */
export function isBusy(error: unknown): boolean {
  return sqliteCode(error) === SQLITE.busy
}
