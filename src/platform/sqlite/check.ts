import { statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import type { Bytes } from '../../lib/brand.ts'
import { editRow } from './edit.ts'
import { readHeader } from './header.ts'
import { COUNT_OBJECTS, checkIntegrity, numberOf } from './integrity.ts'
import { Unfit } from './problem.ts'
import type { Checked, CheckTask, Edited, JournalMode, RowEdit } from './task.ts'

/** Proves that the file is a whole, sound database, and puts it into the journal mode asked for. */
export function check(task: CheckTask): Checked {
  const bytes = statSync(task.path).size as Bytes
  const header = readHeader(task.path)
  if (header === null) {
    if (!task.mayBeEmpty) throw new Unfit('damaged', 'it has no bytes')
    return { kind: 'checked', bytes, pageCount: 0, objects: 0, edited: null, warnings: [] }
  }
  const { pageSize, pageCount } = header
  if (pageCount !== null && bytes !== pageCount * pageSize) {
    throw new Unfit('damaged', `it has ${bytes} bytes, not ${pageCount} pages of ${pageSize}`)
  }
  const checked = read(task.path, bytes)
  const { journalMode } = task
  const edited = task.edit && change(task.path, task.edit)
  if (journalMode !== null && journalMode !== header.journalMode) setMode(task.path, journalMode)
  return { ...checked, edited, bytes: statSync(task.path).size as Bytes }
}

/** As immutable: no locks, no files beside it, whatever its journal mode. */
function read(path: string, bytes: Bytes): Checked {
  const url = new URL(`${pathToFileURL(path).href}?immutable=1`)
  const database = new DatabaseSync(url, { readOnly: true })
  try {
    // It comes from an archive: its schema gets to call nothing with side effects.
    database.exec('pragma trusted_schema=off')
    return {
      kind: 'checked',
      bytes,
      warnings: checkIntegrity(database),
      pageCount: numberOf(database, 'pragma page_count'),
      objects: numberOf(database, COUNT_OBJECTS),
      edited: null,
    }
  } finally {
    database.close()
  }
}

function change(path: string, edit: RowEdit): Edited {
  const database = new DatabaseSync(path)
  try {
    database.exec('pragma trusted_schema=off')
    return editRow(database, edit)
  } finally {
    database.close()
  }
}

/** The mode is kept in the file; its application may count on it. */
function setMode(path: string, mode: JournalMode): void {
  const database = new DatabaseSync(path)
  try {
    const [now] = Object.values(database.prepare(`pragma journal_mode=${mode}`).get() ?? {})
    if (now !== mode) throw new Unfit('failed', `it cannot be put into journal mode ${mode}`)
  } finally {
    database.close()
  }
}
