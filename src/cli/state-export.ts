import { resolve } from 'node:path'
import { abandonedFact } from '../daemon/stranded.ts'
import { Refused } from '../lib/errors.ts'
import type { Counts } from '../state/exchange.ts'
import { exportFile } from '../state/exchange-file.ts'
import { openStore } from '../state/open.ts'
import type { Store } from '../state/store.ts'
import type { Context, GlobalFlags } from './context.ts'
import { load } from './opened.ts'

/** `state export [FILE]`: all that Holdfast remembers, as of one moment, as lines of JSON. */
export async function stateExport(
  words: readonly string[],
  flags: GlobalFlags,
  context: Context,
): Promise<number> {
  const desired = await load(flags, context)
  const exportedAt = new Date(context.now()).toISOString()
  const usual = `holdfast-state-${exportedAt.replace(/[:.]/g, '-')}.jsonl`
  const path = resolve(context.cwd, words[0] ?? usual)
  const store = await openStore(desired)
  try {
    await refuseUnfinished(store)
    const { deployment } = desired
    const rows = await exportFile(store, path, { deployment, exportedAt })
    tellMoved({ did: 'exported', path, rows }, flags, context)
    return 0
  } finally {
    await store.close()
  }
}

export interface Moved {
  readonly did: 'exported' | 'imported'
  readonly path: string
  readonly rows: Counts
}

/** Says how much was moved. */
export function tellMoved({ did, path, rows }: Moved, flags: GlobalFlags, context: Context): void {
  if (flags.json) context.out(JSON.stringify({ path, rows }, null, 2))
  else {
    const { runs = 0, backups = 0, copies = 0, restores = 0 } = rows
    context.out(
      `${did} ${runs} runs, ${backups} backups, ${copies} copies and ${restores} restores: ${path}`,
    )
  }
}

/** What a crash cut short is about paths of this host, and is put in order by who began it. */
async function refuseUnfinished(store: Store): Promise<void> {
  const { restores } = await store.history({ depth: 'recent', jobs: null })
  const isOpen = restores.some(({ status }) => status === 'running')
  if (!isOpen && !(await isSwapOwed(store))) return
  throw new Refused('a restore goes on, or was cut short and is not put in order yet', {
    hint: 'wait for its end, or start the daemon once: it finishes or takes back what a crash cut short',
  })
}

/** Swaps of abandoned restores may wait for their host for ever, and go along. */
async function isSwapOwed(store: Store): Promise<boolean> {
  for (const entry of await store.journal()) {
    if (entry.kind === 'swap' && (await store.fact(abandonedFact(entry.restore))) === null) {
      return true
    }
  }
  return false
}
