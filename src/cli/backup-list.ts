import type { Backup } from '../core/model.ts'
import { knownJobs, parseReference } from '../core/reference.ts'
import { backupRow, backupsTable } from '../view/backups.ts'
import type { Context, GlobalFlags } from './context.ts'
import { lookAround } from './look.ts'
import { open } from './opened.ts'

export interface ListFlags {
  readonly job?: string
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
  const backups = new Map<string, Backup>(history.backups.map((one) => [one.id, one]))
  const kept = new Map(
    plan.kept.map(({ copy, reasons }) => [`${copy.target} ${copy.key}`, reasons]),
  )
  const rows = history.copies
    .flatMap((copy) => {
      const backup = backups.get(copy.backup)
      if (
        !backup ||
        (wanted &&
          (backup.job !== wanted.job || (wanted.source ?? backup.source) !== backup.source))
      )
        return []
      if (
        !flags.all &&
        copy.status !== 'complete' &&
        copy.status !== 'writing' &&
        copy.status !== 'missing'
      )
        return []
      const reasons = kept.get(`${copy.target} ${copy.key}`) ?? []
      return [backupRow(backup, copy, reasons, reasons.includes('pinned'))]
    })
    .sort((a, b) => (a.startedAt < b.startedAt ? 1 : a.startedAt > b.startedAt ? -1 : 0))
  context.out(
    flags.json
      ? JSON.stringify({ backups: rows }, null, 2)
      : backupsTable(rows, { color: context.terminal.color && flags.color }),
  )
  return 0
}
