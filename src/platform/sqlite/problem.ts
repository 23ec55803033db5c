import type { Problem, Reason } from './task.ts'

/** A database that is not fit for what was asked. */
export class Unfit extends Error {
  readonly reason: Reason

  constructor(reason: Reason, message: string) {
    super(message)
    this.reason = reason
  }
}

/** SQLite's primary result codes that a person can do something about. */
const REASONS: Readonly<Record<number, Reason>> = {
  5: 'locked',
  6: 'locked',
  11: 'damaged',
  13: 'no-space',
  14: 'unreadable',
  26: 'not-a-database',
}

const SYSTEM_REASONS: Readonly<Record<string, Reason>> = {
  ENOENT: 'missing',
  EACCES: 'unreadable',
  EPERM: 'unreadable',
  ENOSPC: 'no-space',
  EDQUOT: 'no-space',
}

/** SQLite's primary result code of a thrown error, or null when it is none of SQLite's. */
export function resultCode(error: unknown): number | null {
  if (!(error instanceof Error) || !('errcode' in error)) return null
  return typeof error.errcode === 'number' ? error.errcode & 0xff : null
}

/** Whatever was thrown, as an answer. */
export function problemOf(error: unknown): Problem {
  const message = error instanceof Error ? error.message : String(error)
  return { kind: 'problem', reason: reasonOf(error), message }
}

function reasonOf(error: unknown): Reason {
  if (error instanceof Unfit) return error.reason
  const code = resultCode(error)
  if (code !== null) return REASONS[code] ?? 'failed'
  const system = error instanceof Error && 'code' in error ? String(error.code) : ''
  return SYSTEM_REASONS[system] ?? 'failed'
}
