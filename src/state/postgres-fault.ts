import { DatabaseError } from 'pg'

/** The connection was lost, or never came about: nothing that was asked on it is committed. */
export class LinkLost extends Error {
  constructor(cause: unknown) {
    super(textOf(cause), { cause })
  }
}

/** The connection was lost after the commit was sent: it is done, or it is not. */
export class CommitUnknown extends Error {
  constructor(cause: LinkLost) {
    super(cause.message, { cause })
  }
}

/** What a server says of itself, not of what it was asked: it stops, starts, is full, or a standby. */
const OF_THE_SERVER = new Set(['57P01', '57P02', '57P03', '57P05', '25006', '25P03', '53300'])

/** Whether a fault is one of the way to the database or of its moment. Another try may have luck. */
export function isOfTheWay(error: unknown): boolean {
  if (error instanceof LinkLost) return true
  if (!(error instanceof DatabaseError)) return true
  const code = error.code ?? ''
  return (code.startsWith('08') && !isOfTheLogin(error)) || OF_THE_SERVER.has(code)
}

/** A user or password that is not taken. PgBouncer tells it with the code of a broken protocol. */
export function isOfTheLogin(error: DatabaseError): boolean {
  if (error.code === '08P01') return /authentication failed|no such user/.test(error.message)
  return error.code === '28P01' || error.code === '28000'
}

/**
 * Milliseconds until a transaction is begun once more after `error`, or null when that is of no use.
 * `tries` have failed so far.
 */
export function pauseAfter(error: unknown, tries: number): number | null {
  if (error instanceof LinkLost) return tries === 1 ? 0 : Math.min(50 * 2 ** tries, 1000)
  if (!(error instanceof DatabaseError)) return null
  switch (error.code) {
    // Serialization and deadlock: another transaction was in the way and has its turn now.
    case '40001':
    case '40P01':
      return Math.min(5 * 2 ** tries, 200)
    // A row that was not there when it was looked for: the next look sees it.
    case '23505':
    case '23503':
      return tries === 1 ? 0 : null
    default:
      return null
  }
}

/** Connecting to several addresses fails with one error for each, and an empty message. */
function textOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(textOf).join(', ')
  if (error instanceof Error) return error.message
  return String(error)
}
