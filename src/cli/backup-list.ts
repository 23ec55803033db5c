import type { Backup, Copy } from '../core/model.ts'
import type { Observed } from '../core/observed.ts'
import { byText, groupedBy } from '../core/order.ts'
import { knownJobs, parseReference, type Reference } from '../core/reference.ts'
import { type BackupRow, backupRow, backupsTable } from '../view/backups.ts'
import type { Context, GlobalFlags } from './context.ts'
import { lookAround } from './look.ts'
import { open } from './opened.ts'

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
  const pins = pinsOf(observed)
  const kept = new Map(plan.kept.map(({ copy, reasons }) => [placeOf(copy), reasons]))
  const copies = groupedBy(history.copies, ({ backup }) => backup)
  const rows = history.backups
    .filter((backup) => isWanted(backup, wanted))
    .toSorted((one, other) => other.startedAt - one.startedAt || byText(other.id, one.id))
    .flatMap((backup): readonly BackupRow[] => {
      const made = (copies.get(backup.id) ?? []).toSorted((a, b) => byText(a.target, b.target))
      if (made.length === 0)
        return flags.all || isOpen(backup) ? [backupRow(backup, null, [], false)] : []
      return made
        .filter((copy) => flags.all || isShown(copy))
        .map((copy) => {
          const place = placeOf(copy)
          return backupRow(backup, copy, kept.get(place) ?? [], pins.has(place))
        })
    })
  context.out(
    flags.json
      ? JSON.stringify({ backups: rows }, null, 2)
      : backupsTable(rows, { color: context.terminal.color && flags.color }),
  )
  return 0
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

/** Where pins lie: also beside copies that retention has no word about. */
function pinsOf({ listings }: Observed): ReadonlySet<string> {
  const pins = [...listings.values()].flatMap((one) => (one.kind === 'listed' ? one.pins : []))
  return new Set(pins.map(placeOf))
}

function placeOf({ target, key }: Pick<Copy, 'target' | 'key'>): string {
  return `${target} ${key}`
}
