import type { Store } from '../state/store.ts'
import type { SwapJournal } from './swap.ts'

/** A journal whose entries outlive the swap until the restore's own row is closed. */
export interface LateJournal extends SwapJournal {
  /** Whether a swap was begun and came to no end. */
  isOpen(): boolean
  /** Lets go of what came to its end: a death before leaves it for the next start to look into. */
  settle(): Promise<void>
}

/** A late journal over `store`, with nothing open. */
export function lateJournal(store: Store): LateJournal {
  const open = new Set<string>()
  const ended = new Set<string>()
  return {
    async openJournal(entry) {
      await store.openJournal(entry)
      open.add(entry.id)
    },
    async closeJournal(id) {
      open.delete(id)
      ended.add(id)
    },
    isOpen: () => open.size > 0,
    async settle() {
      for (const id of ended) await store.closeJournal(id)
    },
  }
}
