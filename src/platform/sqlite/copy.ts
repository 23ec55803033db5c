import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { versions } from 'node:process'
import { backup, DatabaseSync } from 'node:sqlite'
import type { Bytes } from '../../lib/brand.ts'
import { copyAtRest } from './copy-at-rest.ts'
import { editRow } from './edit.ts'
import { type Header, readHeader } from './header.ts'
import { COUNT_OBJECTS, checkIntegrity, numberOf } from './integrity.ts'
import { resultCode, Unfit } from './problem.ts'
import type { Copied, CopyTask } from './task.ts'

/** The whole database in one step. */
const ALL_PAGES = 2 ** 31 - 1
/** The original cannot be opened, or not without writing to it: a folder or disk that is read-only. */
const CANTOPEN = 14
const READONLY = 8

/** One consistent, checked, single-file copy. Leaves the original's content as it is. */
export async function copy(task: CopyTask): Promise<Copied> {
  const header = readHeader(task.from)
  if (header === null) return copyNothing(task)
  await copyConsistently(task, header)
  chmodSync(task.to, 0o600)
  return { ...normalise(task), journalMode: header.journalMode }
}

/** A database without a page: a file of no bytes. */
function copyNothing({ to }: CopyTask): Copied {
  writeFileSync(to, '', { flag: 'wx', mode: 0o600 })
  return {
    kind: 'copied',
    bytes: 0 as Bytes,
    pageSize: 0,
    pageCount: 0,
    journalMode: 'delete',
    userVersion: 0,
    applicationId: 0,
    sqliteVersion: versions.sqlite ?? 'unknown',
    objects: 0,
    edited: null,
    warnings: [],
  }
}

async function copyConsistently(task: CopyTask, header: Header): Promise<void> {
  const { from, to } = task
  const idle = header.journalMode === 'wal' && !existsSync(`${from}-wal`)
  if (idle && !(isWritable(from) && isWritable(dirname(from)))) return copyAtRest(from, to)
  try {
    // A reader of an idle WAL database leaves a -wal and a -shm behind unless it may write: then it
    // takes them away when it closes. Of one in use we are never the last to close, or must not
    // checkpoint what a crash left: read-only.
    await copyOnline(task, !idle)
  } catch (error) {
    const code = resultCode(error)
    if (code !== CANTOPEN && code !== READONLY) throw error
    // A writer was killed and left a journal to roll back, or the disk is read-only: nobody writes.
    rmSync(to, { force: true })
    await copyAtRest(from, to)
  }
}

/**
 * The online backup inside a read transaction of our own: it sees one state to its end and never
 * starts again, however busy the database is. In WAL mode writers go on meanwhile, in the others
 * they wait for as long as reading takes.
 */
async function copyOnline({ from, to, lockWait }: CopyTask, readOnly: boolean): Promise<void> {
  const database = new DatabaseSync(from, { readOnly, timeout: lockWait })
  try {
    database.exec('begin')
    database.prepare(COUNT_OBJECTS).get() // takes the read lock, and with it the state
    await backup(database, to, { rate: ALL_PAGES })
    database.exec('rollback')
  } finally {
    database.close()
  }
}

/** Makes one file of the copy, with its edit, proves it sound, and tells what it is. */
function normalise({ to, edit }: CopyTask): Omit<Copied, 'journalMode'> {
  const database = new DatabaseSync(to)
  try {
    const [mode] = Object.values(database.prepare('pragma journal_mode=delete').get() ?? {})
    if (mode !== 'delete') throw new Unfit('failed', `the copy stays in journal mode ${mode}`)
    const edited = edit && editRow(database, edit)
    const warnings = checkIntegrity(database)
    const pageSize = numberOf(database, 'pragma page_size')
    const pageCount = numberOf(database, 'pragma page_count')
    const { size } = statSync(to)
    if (size !== pageSize * pageCount) {
      throw new Unfit(
        'damaged',
        `the copy has ${size} bytes, not ${pageCount} pages of ${pageSize}`,
      )
    }
    return {
      kind: 'copied',
      bytes: size as Bytes,
      pageSize,
      pageCount,
      userVersion: numberOf(database, 'pragma user_version'),
      applicationId: numberOf(database, 'pragma application_id'),
      sqliteVersion: versions.sqlite ?? 'unknown',
      objects: numberOf(database, COUNT_OBJECTS),
      edited,
      warnings,
    }
  } finally {
    database.close()
  }
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK)
    return true
  } catch {
    return false
  }
}
