import type { Bytes, Millis } from '../../lib/brand.ts'

/**
 * What the child process is asked to do, and what it answers: JSON over its stdin and stdout.
 *
 * Everything that opens a database runs in a child. Its work is synchronous and long, and a process
 * that closes any handle of a file drops all locks that it holds on that file: the daemon must never
 * open a database that it may itself be using.
 */
export type Task = CopyTask | CheckTask | ProbeTask

/** Make a sound, single-file copy of a database that may be busy. */
export interface CopyTask {
  readonly kind: 'copy'
  readonly from: string
  /** Must not exist. */
  readonly to: string
  /** How long to wait for somebody else's lock. */
  readonly lockWait: Millis
  /** Made in the copy before it is checked. */
  readonly edit: RowEdit | null
}

/** Prove that a file nobody else uses is a whole database, and give it its journal mode. */
export interface CheckTask {
  readonly kind: 'check'
  readonly path: string
  /** Null leaves it as it is. */
  readonly journalMode: JournalMode | null
  /** Whether a file of no bytes, which is a database without pages, is what was archived. */
  readonly mayBeEmpty: boolean
  /** Made once the file is proven sound. */
  readonly edit: RowEdit | null
}

/** One value that a copy is to have instead of the original's. */
export interface RowEdit {
  /** Where there is no table of this name nothing is made. */
  readonly table: string
  /** Gives the value that is there, a blob. */
  readonly read: string
  /** Puts another one there: its only parameter. */
  readonly write: string
  /** Hex. */
  readonly value: string
}

/** What an edit came upon; null where the table is missing. */
export type Edited = {
  /** Hex; null where there was no row, or no blob in it. */
  readonly before: string | null
} | null

/** Find out by locks whether anybody uses a database, also beyond what /proc shows. */
export interface ProbeTask {
  readonly kind: 'probe'
  readonly path: string
  /** Name for a hard link beside it, gone afterwards. */
  readonly link: string
}

export type JournalMode = 'wal' | 'delete'

export interface Answers {
  readonly copy: Copied
  readonly check: Checked
  readonly probe: Probed
}

export interface Copied {
  readonly kind: 'copied'
  readonly bytes: Bytes
  readonly pageSize: number
  readonly pageCount: number
  /** Of the original; the copy is in mode `delete`. */
  readonly journalMode: JournalMode
  readonly userVersion: number
  readonly applicationId: number
  readonly sqliteVersion: string
  /** Tables, indexes, views and triggers. */
  readonly objects: number
  readonly edited: Edited
  readonly warnings: readonly string[]
}

export interface Checked {
  readonly kind: 'checked'
  readonly bytes: Bytes
  readonly pageCount: number
  readonly objects: number
  readonly edited: Edited
  readonly warnings: readonly string[]
}

export interface Probed {
  readonly kind: 'probed'
  /** `unknown`: locks could not be asked; `why` tells. */
  readonly state: 'free' | 'busy' | 'unknown'
  readonly why: string
}

/** Why a task could not be done. */
export interface Problem {
  readonly kind: 'problem'
  readonly reason: Reason
  /** What SQLite or the system said. */
  readonly message: string
}

export type Reason =
  | 'missing'
  | 'unreadable'
  | 'not-a-database'
  | 'locked'
  | 'damaged'
  | 'no-space'
  | 'failed'
