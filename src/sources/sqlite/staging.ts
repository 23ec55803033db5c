import { constants } from 'node:fs'
import { access, chmod, chown, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { ArchiveDamaged, messageOf, RestoreFailed } from '../../lib/errors.ts'
import { formatBytes } from '../../lib/size.ts'
import { codeOf, freeBytes, isMountPoint, makeFolders, syncFile } from '../../platform/files.ts'
import type { Move, RestoreTask, SourceContext, Staged, Staging } from '../source.ts'
import { ask } from './ask.ts'
import { judgeUsage, usersAndLocksOf } from './in-use.ts'
import { entryAt, ownPath, partsOf, realFile, SIDECARS } from './places.ts'
import type { SqliteSettings } from './settings.ts'
import type { Checked, JournalMode } from './task.ts'

/** One restore of one database. */
interface Order {
  /** Where the restored database will lie. */
  readonly live: string
  /** Beside it, on the same file system. */
  readonly staged: string
  readonly task: RestoreTask
  readonly token: string
}

/** Takes the content as a file beside the live database, which stays as it is until the moves. */
export async function stageDatabase(
  settings: SqliteSettings,
  task: RestoreTask,
  context: SourceContext,
  signal: AbortSignal,
): Promise<Staging> {
  if (task.only !== null) {
    throw new RestoreFailed(`a database is restored whole, not only ${task.only}`, {
      hint: 'restore it elsewhere with --to FILE and take out what you need with sqlite3',
    })
  }
  const live = await realFile(task.to ?? settings.path)
  const staged = ownPath(live, 'staging', context.token)
  const order: Order = { live, staged, task, token: context.token }
  await (task.to === null ? requireReplaceable(order, signal) : requireNew(live))
  await requireRoom(order)
  return {
    sink: { kind: 'file', path: staged },
    immediate: false,
    finish: (_exit, finishSignal) => finish(order, finishSignal),
    async discard() {
      for (const suffix of ['', ...SIDECARS]) await rm(staged + suffix, { force: true })
    },
  }
}

/** Removes the file that the restore of `token` filled, as `Source.sweep` promises. */
export async function sweepStaged(
  settings: SqliteSettings,
  { to, token }: { readonly to: string | null; readonly token: string },
): Promise<void> {
  const live = await realFile(to ?? settings.path)
  for (const role of ['staging', 'probe'] as const) {
    for (const suffix of ['', ...SIDECARS]) {
      await rm(ownPath(live, role, token) + suffix, { force: true })
    }
  }
}

async function requireNew(path: string): Promise<void> {
  const taken = (await partsOf(path))[0]
  if (taken === undefined) return
  throw new RestoreFailed(`${taken} exists already and is not overwritten`, {
    at: taken,
    hint: 'name a file that does not exist yet: --to /path/to/restored.sqlite',
  })
}

async function requireReplaceable(order: Order, signal: AbortSignal): Promise<void> {
  const { live, task, token } = order
  const there = await entryAt(live)
  if (!there) return
  const hint = 'restore it elsewhere with --to FILE'
  if (!there.isFile()) throw new RestoreFailed(`${live} is not a regular file`, { at: live, hint })
  if (await isMountPoint(live)) {
    throw new RestoreFailed(`${live} is a mount of its own, which no rename can replace`, {
      at: live,
      hint: 'mount the folder that holds the database instead, or restore with --to FILE',
    })
  }
  judgeUsage(live, await usersAndLocksOf(live, token, signal), task)
}

async function requireRoom({ live, task }: Order): Promise<void> {
  const folder = dirname(live)
  await makeFolders(folder, 0o755)
    .then(() => access(folder, constants.W_OK))
    .catch((cause: unknown) => {
      throw new RestoreFailed(`${folder} cannot be written to (${codeOf(cause)})`, {
        at: folder,
        hint: 'run as a user who may write there, or restore elsewhere with --to FILE',
        cause,
      })
    })
  const { pageSize, pageCount } = task.facts
  if (typeof pageSize !== 'number' || typeof pageCount !== 'number') return
  const needed = pageSize * pageCount
  const free = await freeBytes(folder)
  if (free >= needed) return
  throw new RestoreFailed(
    `the database has ${formatBytes(needed)}, and ${folder} has ${formatBytes(free)} free`,
    { at: live, hint: 'free some space there: the old database is kept beside the new one' },
  )
}

async function finish(order: Order, signal: AbortSignal): Promise<Staged> {
  const { live, staged, task, token } = order
  await chmod(staged, 0o600)
  const checked = await checkedContent(order, signal)
  const ownerWarnings = task.to === null ? await adoptOwner(order) : []
  await syncFile(staged)
  // Looked at again, last: the archive may have taken hours to arrive.
  const inUse =
    task.to === null && (await entryAt(live))
      ? judgeUsage(live, await usersAndLocksOf(live, token, signal), task)
      : []
  if (task.to !== null) await requireNew(live)
  const previous = ownPath(live, 'previous', token)
  const aside = (await partsOf(live)).map((from) => ({
    from,
    to: previous + from.slice(live.length),
  }))
  return {
    moves: [...aside, { from: staged, to: live }] satisfies readonly Move[],
    previous: aside.length > 0 ? previous : null,
    leftovers: [],
    summary: `SQLite database of ${formatBytes(checked.bytes)}, ${checked.pageCount} pages, checked`,
    warnings: [...checked.warnings, ...ownerWarnings, ...inUse],
  }
}

async function checkedContent({ staged, task }: Order, signal: AbortSignal): Promise<Checked> {
  const { journalMode, pageCount } = task.facts
  // A copy elsewhere stays byte for byte what the archive holds.
  const mode = task.to === null && isJournalMode(journalMode) ? journalMode : null
  const answer = await ask<'check'>(
    { kind: 'check', path: staged, journalMode: mode, mayBeEmpty: pageCount === 0 },
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
  if (typeof pageCount === 'number' && answer.pageCount !== pageCount) {
    throw new ArchiveDamaged(
      `the archive's database has ${answer.pageCount} pages, and ${pageCount} were archived`,
    )
  }
  return answer
}

function isJournalMode(value: unknown): value is JournalMode {
  return value === 'wal' || value === 'delete'
}

/** Mode and owner of the database that is replaced, else those it had when it was archived. */
async function adoptOwner({ live, staged, task }: Order): Promise<readonly string[]> {
  const there = await entryAt(live)
  const { mode, uid, gid } = there ?? task.facts
  if (typeof mode !== 'number' || typeof uid !== 'number' || typeof gid !== 'number') return []
  const own = await entryAt(staged)
  let warnings: readonly string[] = []
  if (own?.uid !== uid || own.gid !== gid) {
    const owner = `${uid}:${gid}`
    warnings = await chown(staged, uid, gid).then(
      () => [],
      () => [`${live} belongs to us now, not to ${owner}: run chown ${owner} on it as root`],
    )
  }
  await chmod(staged, mode & 0o777)
  return warnings
}
