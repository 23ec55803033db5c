import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { Unfit } from './problem.ts'
import type { JournalMode } from './task.ts'

/** What the first 100 bytes of a database file tell (https://sqlite.org/fileformat2.html §1.3). */
export interface Header {
  readonly journalMode: JournalMode
  readonly pageSize: number
  /** Null when the header's count is not kept up to date: written by SQLite before 3.7. */
  readonly pageCount: number | null
}

const MAGIC = 'SQLite format 3\0'

/**
 * The header of a database file, or null for a file of no bytes, which is a database as well. Throws
 * `Unfit` for every other file. Only for a process without databases: see task.ts.
 */
export function readHeader(path: string): Header | null {
  if (!statSync(path).isFile()) throw new Unfit('not-a-database', 'it is not a regular file')
  const bytes = firstBytes(path, 100)
  if (bytes.length === 0) return null
  if (bytes.length < 100 || bytes.toString('latin1', 0, 16) !== MAGIC) {
    throw new Unfit('not-a-database', 'it does not begin as a SQLite database does')
  }
  const size = bytes.readUInt16BE(16)
  const counted = bytes.readUInt32BE(24) === bytes.readUInt32BE(92)
  return {
    journalMode: bytes[18] === 2 ? 'wal' : 'delete',
    pageSize: size === 1 ? 65_536 : size,
    pageCount: counted ? bytes.readUInt32BE(28) : null,
  }
}

function firstBytes(path: string, length: number): Buffer {
  const file = openSync(path, 'r')
  try {
    const bytes = Buffer.alloc(length)
    return bytes.subarray(0, readSync(file, bytes, 0, length, 0))
  } finally {
    closeSync(file)
  }
}
