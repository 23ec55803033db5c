import type { Backup, Copy } from '../core/model.ts'
import { byText, groupedBy } from '../core/order.ts'
import { knownJobs, parseReference, type Reference } from '../core/reference.ts'
import { type BackupRow, backupsTable } from '../view/backups.ts'
import type { Context, GlobalFlags } from './context.ts'
import { lookAround } from './look.ts'
import { open } from './opened.ts'
import { rowsBy } from './rows.ts'

export interface ListFlags {
  /** Also attempts that failed, were skipped, or whose copies were pruned. */
  readonly all?: boolean
}

/** `backup list [job[/source]]`: a row a copy, newest first, with why retention keeps it. */
export async function backupList(
  words: readonly string[],
  flags: ListFlags & GlobalFlags,
  context: Context,
): Promise<number> {
  await using opened = await open(flags, context)
  const { world } = opened
  const { observed, plan } = await lookAround(world, context, null)
  const { history } = observed
  const [word] = words
  const wanted =
    word === undefined ? null : parseReference(word, knownJobs(world.desired.jobs, history))
  const rowsOf = rowsBy(observed, plan)
  const copies = groupedBy(history.copies, ({ backup }) => backup)
  const newest = newestOfEachSource(history.backups)
  const rows = history.backups
    .filter((backup) => isWanted(backup, wanted))
    .toSorted((one, other) => other.startedAt - one.startedAt || byText(other.id, one.id))
    .flatMap((backup): readonly BackupRow[] => {
      const made = copies.get(backup.id) ?? []
      // What went wrong last is never hidden; older failures are asked for.
      if (flags.all || newest.has(backup)) return rowsOf(backup, made)
      if (made.length === 0) return isOpen(backup) ? rowsOf(backup, made) : []
      const shown = made.filter(isShown)
      return shown.length === 0 ? [] : rowsOf(backup, shown)
    })
  context.out(
    flags.json
      ? JSON.stringify({ backups: rows }, null, 2)
      : backupsTable(rows, { color: context.terminal.color && flags.color }),
  )
  return 0
}

function newestOfEachSource(backups: readonly Backup[]): ReadonlySet<Backup> {
  const newest = new Map<string, Backup>()
  for (const backup of backups) {
    const name = `${backup.job} ${backup.source}`
    const before = newest.get(name)
    if (!before || backup.startedAt > before.startedAt) newest.set(name, backup)
  }
  return new Set(newest.values())
}

function isWanted(backup: Backup, wanted: Reference | null): boolean {
  if (wanted === null) return true
  return backup.job === wanted.job && (wanted.source ?? backup.source) === backup.source
}

function isOpen({ status }: Backup): boolean {
  return status === 'pending' || status === 'running'
}

function isShown({ status }: Copy): boolean {
  return status === 'complete' || status === 'writing' || status === 'missing'
}
