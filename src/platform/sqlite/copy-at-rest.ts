import { chmodSync, constants, copyFileSync, rmSync, statSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { Unfit } from './problem.ts'

/** What a database that nobody has open consists of; `-shm` is rebuilt from `-wal`. */
const PARTS = ['', '-wal', '-journal']
const ATTEMPTS = 5
/** File times advance in ticks of up to 10 ms: a younger change could hide the next one. */
const SETTLED = 100

/**
 * Copies a database, file by file, that cannot be opened where it lies. Good only while nobody
 * writes, which is proven: no file of it may have changed from before the copy to after it. What a
 * killed writer left is copied too, and made good in the copy by whoever opens that.
 */
export async function copyAtRest(from: string, to: string): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const before = marks(from)
    if (Date.now() - before.newest < SETTLED) {
      await delay(SETTLED)
      // Of a time that is yet to come, as after a clock was set back, only this tells.
      if (marks(from).text !== before.text) continue
    }
    for (const part of PARTS) copyPart(from + part, to + part)
    if (marks(from).text === before.text) return
  }
  throw new Unfit(
    'locked',
    'it can only be copied while nobody writes to it, but it keeps changing',
  )
}

function copyPart(from: string, to: string): void {
  rmSync(to, { force: true })
  try {
    copyFileSync(from, to, constants.COPYFILE_FICLONE)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return
    throw error
  }
  chmodSync(to, 0o600)
}

function marks(path: string): { readonly text: string; readonly newest: number } {
  const parts = PARTS.map((part) => statSync(path + part, { bigint: true, throwIfNoEntry: false }))
  return {
    text: parts
      .map((part) => (part ? `${part.ino} ${part.size} ${part.mtimeNs} ${part.ctimeNs}` : 'none'))
      .join('\n'),
    newest: Math.max(...parts.map((part) => Number(part?.mtimeMs ?? 0n))),
  }
}
