import { join } from 'node:path'
import { SourceFailed } from '../../lib/errors.ts'
import { copyToScratch, databaseFacts, LOCK_WAIT } from '../../platform/sqlite/copying.ts'
import type { Edited } from '../../platform/sqlite/task.ts'
import type { Dump, SourceContext } from '../source.ts'
import { decodeMeta, RESET_META } from './meta.ts'
import { STATE } from './places.ts'
import type { HiqliteSettings } from './settings.ts'

/**
 * A checked copy of the node's database in scratch, which belongs to no cluster, as Hiqlite's own
 * backups do. Not vacuumed as those are: that would need as much room again, and outside of scratch.
 */
export async function dumpNode(
  settings: HiqliteSettings,
  context: SourceContext,
  signal: AbortSignal,
): Promise<Dump> {
  const path = join(settings.dataDir, STATE, 'db', settings.filename)
  const order = { path, allowEmpty: false, lockWait: LOCK_WAIT, edit: RESET_META }
  const copy = await copyToScratch(order, context, signal)
  const { bytes, edited, warnings } = copy.copied
  if (edited === null && !settings.skipValidation) {
    await copy.remove()
    throw new SourceFailed(`${path} is not a Hiqlite database: it has no table _metadata`, {
      at: path,
      hint: 'use a source of type sqlite for it, or set skip_validation: true',
    })
  }
  const meta = edited?.before ? decodeMeta(edited.before) : null
  return {
    content: { kind: 'file', path: copy.path },
    finish: async () => ({
      facts: {
        path,
        ...databaseFacts(copy),
        nodeId: settings.nodeId,
        filenameDb: settings.filename,
        // As of the node's last snapshot or shutdown: that is when it writes the row.
        lastPersistedLog: meta?.lastApplied ?? null,
      },
      warnings: [...warnings, ...strangeness(edited)],
      contentBytes: bytes,
    }),
    [Symbol.asyncDispose]: copy.remove,
  }
}

/** The copy is good; the node may not be. */
function strangeness(edited: Edited): readonly string[] {
  if (edited === null)
    return ['it has no table _metadata, and was copied because of skip_validation']
  if (edited.before === null || decodeMeta(edited.before) !== null) return []
  return ['the node will not start again: its row of _metadata cannot be decoded']
}
