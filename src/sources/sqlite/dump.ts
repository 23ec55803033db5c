import type { Millis } from '../../core/model.ts'
import { copyToScratch, databaseFacts, LOCK_WAIT } from '../../platform/sqlite/copying.ts'
import type { Dump, SourceContext } from '../source.ts'
import type { SqliteSettings } from './settings.ts'

/** A checked copy of the database in scratch, as of some moment after the call. */
export async function dumpDatabase(
  settings: SqliteSettings,
  context: SourceContext,
  signal: AbortSignal,
  lockWait: Millis = LOCK_WAIT,
): Promise<Dump> {
  const copy = await copyToScratch({ ...settings, lockWait, edit: null }, context, signal)
  return {
    content: { kind: 'file', path: copy.path },
    finish: async () => ({
      facts: { path: settings.path, ...databaseFacts(copy) },
      warnings: copy.copied.warnings,
      contentBytes: copy.copied.bytes,
    }),
    [Symbol.asyncDispose]: copy.remove,
  }
}
