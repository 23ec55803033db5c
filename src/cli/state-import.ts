import { resolve } from 'node:path'
import { importFile } from '../state/exchange-file.ts'
import { programVersion } from '../state/migration.ts'
import { MIGRATIONS } from '../state/migrations.ts'
import { openStore } from '../state/open.ts'
import type { Context, GlobalFlags } from './context.ts'
import { load } from './opened.ts'
import { tellMoved } from './state-export.ts'

/** `state import FILE`: what `state export` wrote, into a state that is new; all of it or nothing. */
export async function stateImport(
  words: readonly string[],
  flags: GlobalFlags,
  context: Context,
): Promise<number> {
  const desired = await load(flags, context)
  const path = resolve(context.cwd, words[0] ?? '')
  const store = await openStore(desired)
  try {
    const rows = await importFile(store, path, programVersion(MIGRATIONS))
    tellMoved({ did: 'imported', path, rows }, flags, context)
    return 0
  } finally {
    await store.close()
  }
}
