import { chmod, rm, rmdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { ArchiveDamaged, RestoreFailed } from '../../lib/errors.ts'
import { formatBytes } from '../../lib/size.ts'
import { makeFolders, syncFile, syncFolder } from '../../platform/files.ts'
import { judgeUsage, usersAndLocksOf } from '../../platform/sqlite/in-use.ts'
import { entryAt, ownPath, SIDECARS } from '../../platform/sqlite/places.ts'
import { requireRoom, requireWhole } from '../../platform/sqlite/room.ts'
import { requireSound } from '../../platform/sqlite/sound.ts'
import type { Checked, Edited } from '../../platform/sqlite/task.ts'
import type { RestoreTask, SourceContext, Staged, Staging } from '../source.ts'
import { stageElsewhere, sweepElsewhere } from './elsewhere.ts'
import { handedTo, handOver } from './hand-over.ts'
import { DEFAULT_META, decodeMeta, RESET_META } from './meta.ts'
import { adoptOwner, type Owner, ownerAt } from './owner.ts'
import { type Layout, layoutOf, ownFolder } from './places.ts'
import { type HiqliteSettings, isAlone } from './settings.ts'
import { closeSwap, planSwap, requireMovable } from './swap.ts'

/** One restore into one node. */
interface Order {
  readonly settings: HiqliteSettings
  readonly layout: Layout
  readonly task: RestoreTask
  readonly token: string
  /** 0700, in the data_dir; the new database lies in it where it will lie in the data_dir. */
  readonly holder: string
  readonly staged: string
  /** Whom the data in the data_dir belongs to; null when there was no data_dir. */
  readonly owner: Owner | null
}

/** Takes the content as a file inside the data_dir; all that is there stays as it is until the moves. */
export async function stageNode(
  settings: HiqliteSettings,
  task: RestoreTask,
  context: SourceContext,
  signal: AbortSignal,
): Promise<Staging> {
  requireWhole(task.only)
  if (task.to !== null) return stageElsewhere(task.to, task, context.token)
  const layout = await layoutOf(settings)
  const holder = ownFolder(layout.root, 'staging', context.token)
  const staged = join(holder, layout.arrival)
  const owner = await ownerAt(layout)
  const order = { settings, layout, task, token: context.token, holder, staged, owner }
  await requireMovable(layout)
  await requireUnused(order, signal)
  const discard = async () => {
    await rm(holder, { recursive: true, force: true })
    await closeSwap(layout, context.token)
    // It takes only what is empty.
    if (owner === null) await rmdir(layout.root).catch(() => {})
  }
  try {
    await openHolder(order)
  } catch (error) {
    await discard()
    throw error
  }
  return {
    sink: { kind: 'file', path: staged },
    immediate: false,
    finish: (_exit, finishSignal) => finish(order, finishSignal),
    discard,
  }
}

/** Removes what the restore of `token` staged, as `Source.sweep` promises. */
export async function sweepNode(
  settings: HiqliteSettings,
  { to, token }: { readonly to: string | null; readonly token: string },
): Promise<void> {
  if (to !== null) return sweepElsewhere(to, token)
  const layout = await layoutOf(settings)
  await rm(ownFolder(layout.root, 'staging', token), { recursive: true, force: true })
  const probe = ownPath(layout.database, 'probe', token)
  for (const suffix of ['', ...SIDECARS]) await rm(probe + suffix, { force: true })
  await closeSwap(layout, token)
}

async function openHolder({ layout, task, staged, holder }: Order): Promise<void> {
  await makeFolders(dirname(layout.root), 0o755)
  await requireRoom(layout.root, 0o700, task.facts)
  await makeFolders(dirname(staged), 0o700)
  for (const path of foldersOf(holder, staged)) await chmod(path, 0o700)
}

/** Nobody may have the database open. A lock file alone says only that the node was killed. */
async function requireUnused(
  { layout, task, token }: Order,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { database } = layout
  const there = await entryAt(database)
  if (there === null) return []
  if (!there.isFile()) {
    throw new RestoreFailed(`${database} is not a regular file`, { at: database })
  }
  return judgeUsage(database, await usersAndLocksOf(database, token, signal), task)
}

async function finish(order: Order, signal: AbortSignal): Promise<Staged> {
  const { settings, layout, task, token, holder, staged } = order
  const checked = await checkedContent(order, signal)
  // As Hiqlite makes a restored one.
  await chmod(staged, 0o700)
  const folders = foldersOf(holder, staged)
  const made = order.owner === null ? [layout.root] : []
  const disowned = await adoptOwner([staged, ...folders, ...made], order.owner, task.facts)
  await syncFile(staged)
  for (const folder of folders) await syncFolder(folder)
  // Looked at again, last: the archive may have taken hours to arrive.
  await requireMovable(layout)
  const inUse = await requireUnused(order, signal)
  const { moves, previous } = await planSwap(layout, holder, token)
  const place = join(layout.root, layout.arrival)
  const handed = handedTo(settings, place)
  const what = `Hiqlite database of ${formatBytes(checked.bytes)}, ${checked.pageCount} pages, checked`
  return {
    moves,
    previous,
    leftovers: [holder],
    summary: isAlone(settings)
      ? what
      : `${what} and placed at ${place}: ${handOver(settings, place).join('; ')}`,
    warnings: [...checked.warnings, ...remarksOn(checked.edited), ...disowned, ...inUse],
    ...(handed === null ? {} : { handOver: handed }),
  }
}

/** From the file's folder up to the holder. */
function foldersOf(holder: string, staged: string): readonly string[] {
  const folders: string[] = []
  for (let path = dirname(staged); path.length >= holder.length; path = dirname(path)) {
    folders.push(path)
  }
  return folders
}

async function checkedContent(
  { settings, staged, task }: Order,
  signal: AbortSignal,
): Promise<Checked> {
  const { pageCount } = task.facts
  const pages = typeof pageCount === 'number' ? pageCount : null
  const checked = await requireSound(
    { path: staged, journalMode: null, pageCount: pages, edit: RESET_META },
    signal,
  )
  const fault = faultOf(checked.edited)
  if (fault === null || settings.skipValidation) return checked
  throw new ArchiveDamaged(`the archive holds no database of Hiqlite: ${fault}`, {
    hint: 'restore another archive: holdfast backup list; HQL_BACKUP_SKIP_VALIDATION=true, or skip_validation: true on the source, takes it as it is',
  })
}

/** What Hiqlite itself would refuse. */
function faultOf(edited: Edited): string | null {
  if (edited === null) return 'it has no table _metadata'
  if (edited.before === null) return 'its table _metadata has no row meta'
  return decodeMeta(edited.before) === null ? 'its row of _metadata cannot be decoded' : null
}

/** A copy that somebody made of a live database knows a cluster that will not be there. */
function remarksOn(edited: Edited): readonly string[] {
  if (edited === null)
    return ['it has no table _metadata, and was taken because of skip_validation']
  if (edited.before === DEFAULT_META) return []
  return ['its row of _metadata was reset, as in the backups that Hiqlite makes']
}
