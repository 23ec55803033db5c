import type { Stats } from 'node:fs'
import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Millis } from '../../lib/brand.ts'
import { messageOf, SourceFailed } from '../../lib/errors.ts'
import { formatBytes } from '../../lib/size.ts'
import { unreachable } from '../../lib/unreachable.ts'
import { codeOf, freeBytes, isGone } from '../files.ts'
import { ask } from './ask.ts'
import { realFile, SIDECARS } from './places.ts'
import type { Copied, CopyTask, Problem, RowEdit } from './task.ts'

/** How long a writer may keep the database locked before the backup gives up. */
export const LOCK_WAIT = 60_000 as Millis
/** Left free on the scratch disk besides the copy. */
const RESERVE = 16 * 2 ** 20

/** A database to copy. */
export interface ScratchOrder {
  /** Absolute, as declared. */
  readonly path: string
  /** A database without tables is a good backup. */
  readonly allowEmpty: boolean
  readonly lockWait: Millis
  readonly edit: RowEdit | null
}

/** A checked copy in scratch. */
export interface ScratchCopy {
  readonly path: string
  readonly copied: Copied
  readonly original: Stats
  /** Doing so twice harms nothing. */
  remove(): Promise<void>
}

/**
 * A checked, single-file copy of a database that may be busy, as of some moment after the call.
 * Throws `SourceFailed`, which says what to do, and leaves nothing behind then.
 */
export async function copyToScratch(
  order: ScratchOrder,
  { scratch, token }: { readonly scratch: string; readonly token: string },
  signal: AbortSignal,
): Promise<ScratchCopy> {
  const { path, lockWait, edit } = order
  const from = await realFile(path)
  const to = join(scratch, `copy-${token}.sqlite`)
  const remove = async () => {
    for (const suffix of ['', ...SIDECARS]) await rm(to + suffix, { force: true })
  }
  try {
    const original = await originalOf(order, from)
    await requireSpace(path, from, scratch)
    const copied = await copyOf({ from, to, lockWait, edit }, path, signal)
    if (copied.objects === 0 && !order.allowEmpty) throw emptyFailure(path, copied)
    return { path: to, copied, original, remove }
  } catch (error) {
    await remove()
    throw error
  }
}

/** What a restore has to know of the original. */
export function databaseFacts({ copied, original }: ScratchCopy) {
  const { pageSize, pageCount, journalMode, userVersion, applicationId, sqliteVersion } = copied
  return {
    pageSize,
    pageCount,
    journalMode,
    userVersion,
    applicationId,
    sqliteVersion,
    mode: original.mode & 0o777,
    uid: original.uid,
    gid: original.gid,
  }
}

/** Looks, but opens nothing: see task.ts. */
async function originalOf({ path, allowEmpty }: ScratchOrder, from: string): Promise<Stats> {
  const found = await stat(from).catch((cause: unknown) => {
    if (!isGone(cause)) {
      throw new SourceFailed(`database ${path} cannot be looked at (${codeOf(cause)})`, {
        at: path,
        cause,
      })
    }
    const hint = 'check the path; a database that is yet to be made fails until it is there'
    throw new SourceFailed(`database ${path} does not exist`, { at: path, hint, cause })
  })
  if (found.isDirectory()) {
    const hint = 'name the database file in it, or use a source of type directory'
    throw new SourceFailed(`${path} is a directory, not a database`, { at: path, hint })
  }
  if (!found.isFile()) throw new SourceFailed(`${path} is not a regular file`, { at: path })
  if (found.size === 0 && !allowEmpty) throw emptyFailure(path, null)
  return found
}

function emptyFailure(path: string, copied: Copied | null): SourceFailed {
  const what = copied === null ? 'is a file of no bytes' : 'has no tables'
  const hint = 'set allow_empty: true on the source if that is meant to be'
  return new SourceFailed(`database ${path} ${what}: nothing to back up`, { at: path, hint })
}

async function requireSpace(path: string, from: string, scratch: string): Promise<void> {
  const sizes = await Promise.all(
    ['', '-wal'].map(async (suffix) => (await stat(from + suffix).catch(() => null))?.size ?? 0),
  )
  const needed = sizes.reduce((sum, size) => sum + size, RESERVE)
  const free = await freeBytes(scratch)
  if (free >= needed) return
  const hint = 'free some space there, or move scratch_dir to a larger disk'
  throw new SourceFailed(
    `a copy of ${path} needs ${formatBytes(needed)}, and ${scratch} has ${formatBytes(free)} free`,
    { at: path, hint },
  )
}

async function copyOf(
  task: Omit<CopyTask, 'kind'>,
  path: string,
  signal: AbortSignal,
): Promise<Copied> {
  const answer = await ask<'copy'>({ kind: 'copy', ...task }, signal).catch((cause: unknown) => {
    signal.throwIfAborted()
    throw new SourceFailed(`copy of ${path} failed: ${messageOf(cause)}`, { at: path, cause })
  })
  if (answer.kind === 'copied') return answer
  const { what, hint } = explain(answer)
  throw new SourceFailed(`database ${path} ${what}: ${answer.message}`, {
    at: path,
    ...(hint === null ? {} : { hint }),
  })
}

function explain({ reason }: Problem): { readonly what: string; readonly hint: string | null } {
  switch (reason) {
    case 'missing':
      return { what: 'went away while it was copied', hint: null }
    case 'unreadable':
      return {
        what: 'cannot be opened',
        hint: 'run as a user who may read the database and write to its folder',
      }
    case 'not-a-database':
      return {
        what: 'is not a SQLite database, or is encrypted',
        hint: 'for an encrypted database use a source of type command with the program that has its key',
      }
    case 'locked':
      return {
        what: 'stayed locked',
        hint: 'look for a transaction that never ends, or use journal_mode=WAL so that readers need not wait',
      }
    case 'damaged':
      return {
        what: 'is damaged',
        hint: 'older archives stay; look at it with: sqlite3 FILE "pragma integrity_check"',
      }
    case 'no-space':
      return { what: 'does not fit', hint: 'free some space in scratch_dir' }
    case 'failed':
      return { what: 'could not be copied', hint: null }
    default:
      return unreachable(reason)
  }
}
