// A process that swaps, or ends a swap: `node swap-child.ts swap|recover ENTRY.json JOURNAL`.
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { recoverSwap, type SwapJournal, swap } from '../../src/act/swap.ts'

const [verb, entryPath = '', journalPath = ''] = process.argv.slice(2)
const entry = JSON.parse(readFileSync(entryPath, 'utf8'))
// Neither synced nor renamed, so that only the swap's own calls are counted.
const journal: SwapJournal = {
  openJournal: async (opened) => writeFileSync(journalPath, JSON.stringify(opened)),
  closeJournal: async () => rmSync(journalPath),
}
const end = verb === 'swap' ? await swap(entry, journal) : await recoverSwap(entry, journal)
process.stdout.write(`${end.kind}\n`)
