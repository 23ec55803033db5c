import { chmod, chown, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { RestoreFailed } from '../../lib/errors.ts'
import { formatBytes } from '../../lib/size.ts'
import { isMountPoint, syncFile } from '../../platform/files.ts'
import { judgeUsage, usersAndLocksOf } from '../../platform/sqlite/in-use.ts'
import { entryAt, ownPath, partsOf, realFile, SIDECARS } from '../../platform/sqlite/places.ts'
import { requireNew, requireRoom, requireWhole } from '../../platform/sqlite/room.ts'
import { requireSound } from '../../platform/sqlite/sound.ts'
import type { Checked, JournalMode } from '../../platform/sqlite/task.ts'
import type { Move, RestoreTask, SourceContext, Staged, Staging } from '../source.ts'
import type { SqliteSettings } from './settings.ts'

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
  requireWhole(task.only)
  const live = await realFile(task.to ?? settings.path)
  const staged = ownPath(live, 'staging', context.token)
  const order: Order = { live, staged, task, token: context.token }
  await (task.to === null ? requireReplaceable(order, signal) : requireNew(live))
  await requireRoom(dirname(live), 0o755, task.facts)
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

function checkedContent({ staged, task }: Order, signal: AbortSignal): Promise<Checked> {
  const { journalMode, pageCount } = task.facts
  // A copy elsewhere stays byte for byte what the archive holds.
  const mode = task.to === null && isJournalMode(journalMode) ? journalMode : null
  const pages = typeof pageCount === 'number' ? pageCount : null
  return requireSound({ path: staged, journalMode: mode, pageCount: pages, edit: null }, signal)
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
