import type { Stats } from 'node:fs'
import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { SourceFacts } from '../../core/manifest.ts'
import type { Millis } from '../../core/model.ts'
import { messageOf, SourceFailed } from '../../lib/errors.ts'
import { formatBytes } from '../../lib/size.ts'
import { unreachable } from '../../lib/unreachable.ts'
import { codeOf, freeBytes, isGone } from '../../platform/files.ts'
import type { Dump, SourceContext } from '../source.ts'
import { ask } from './ask.ts'
import { realFile, SIDECARS } from './places.ts'
import type { SqliteSettings } from './settings.ts'
import type { Copied, Problem } from './task.ts'

/** How long a writer may keep the database locked before the backup gives up. */
export const LOCK_WAIT = 60_000 as Millis
/** Left free on the scratch disk besides the copy. */
const RESERVE = 16 * 2 ** 20

/** A checked copy of the database in scratch, as of some moment after the call. */
export async function dumpDatabase(
  settings: SqliteSettings,
  context: SourceContext,
  signal: AbortSignal,
  lockWait: Millis = LOCK_WAIT,
): Promise<Dump> {
  const from = await realFile(settings.path)
  const to = join(context.scratch, `copy-${context.token}.sqlite`)
  const remove = async () => {
    for (const suffix of ['', ...SIDECARS]) await rm(to + suffix, { force: true })
  }
  try {
    const original = await originalOf(settings, from)
    await requireSpace(settings.path, from, context.scratch)
    const copied = await copyOf({ from, to, lockWait }, settings.path, signal)
    if (copied.objects === 0 && !settings.allowEmpty) throw emptyFailure(settings.path, copied)
    return {
      content: { kind: 'file', path: to },
      finish: async () => ({
        facts: factsOf(settings.path, copied, original),
        warnings: copied.warnings,
        contentBytes: copied.bytes,
      }),
      [Symbol.asyncDispose]: remove,
    }
  } catch (error) {
    await remove()
    throw error
  }
}

/** Looks, but opens nothing: see task.ts. */
async function originalOf({ path, allowEmpty }: SqliteSettings, from: string): Promise<Stats> {
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
  task: { readonly from: string; readonly to: string; readonly lockWait: Millis },
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

function factsOf(path: string, copied: Copied, original: Stats): SourceFacts {
  const { pageSize, pageCount, journalMode, userVersion, applicationId, sqliteVersion } = copied
  return {
    path,
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
