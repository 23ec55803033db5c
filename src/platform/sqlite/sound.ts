import { ArchiveDamaged, messageOf, RestoreFailed } from '../../lib/errors.ts'
import { ask } from './ask.ts'
import type { Checked, JournalMode, RowEdit } from './task.ts'

/** A file that came out of an archive, and what it must be. */
export interface Arrived {
  readonly path: string
  /** Null leaves the one that it has. */
  readonly journalMode: JournalMode | null
  /** As archived; null when the archive does not tell. */
  readonly pageCount: number | null
  readonly edit: RowEdit | null
}

/**
 * Proves that the file is the whole and sound database that was archived, and makes its edit.
 * Throws `ArchiveDamaged` when it is not, `RestoreFailed` when that cannot be found out.
 */
export async function requireSound(
  { path, journalMode, pageCount, edit }: Arrived,
  signal: AbortSignal,
): Promise<Checked> {
  const answer = await ask<'check'>(
    { kind: 'check', path, journalMode, mayBeEmpty: pageCount === 0, edit },
    signal,
  ).catch((cause: unknown) => {
    signal.throwIfAborted()
    throw new RestoreFailed(`the restored database could not be checked: ${messageOf(cause)}`, {
      cause,
    })
  })
  if (answer.kind === 'problem') {
    const message = `the archive holds no sound SQLite database: ${answer.message}`
    throw new ArchiveDamaged(message, { hint: 'restore an older archive: holdfast backup list' })
  }
  if (pageCount !== null && answer.pageCount !== pageCount) {
    throw new ArchiveDamaged(
      `the archive's database has ${answer.pageCount} pages, and ${pageCount} were archived`,
    )
  }
  return answer
}
