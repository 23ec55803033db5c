import type { Plan } from '../core/action.ts'
import type { Backup, Copy } from '../core/model.ts'
import type { Observed } from '../core/observed.ts'
import { byText } from '../core/order.ts'
import { type BackupRow, backupRow } from '../view/backups.ts'

/** Makes the rows of a backup: one a copy, with why it is kept; one without a copy when it made none. */
export function rowsBy(
  observed: Observed,
  plan: Plan,
): (backup: Backup, copies: readonly Copy[]) => readonly BackupRow[] {
  const pins = pinsOf(observed)
  const kept = new Map(plan.kept.map(({ copy, reasons }) => [placeOf(copy), reasons]))
  return (backup, copies) =>
    rowsOf(backup, copies, (copy) => {
      const place = placeOf(copy)
      return backupRow(backup, copy, kept.get(place) ?? [], pins.has(place))
    })
}

/** The same rows where nobody could look why a copy is kept. */
export function plainRows(backup: Backup, copies: readonly Copy[]): readonly BackupRow[] {
  return rowsOf(backup, copies, (copy) => backupRow(backup, copy, [], false))
}

function rowsOf(
  backup: Backup,
  copies: readonly Copy[],
  rowOf: (copy: Copy) => BackupRow,
): readonly BackupRow[] {
  if (copies.length === 0) return [backupRow(backup, null, [], false)]
  return copies.toSorted((a, b) => byText(a.target, b.target)).map(rowOf)
}

/** Where pins lie: also beside copies that retention has no word about. */
function pinsOf({ listings }: Observed): ReadonlySet<string> {
  const pins = [...listings.values()].flatMap((one) => (one.kind === 'listed' ? one.pins : []))
  return new Set(pins.map(placeOf))
}

function placeOf({ target, key }: Pick<Copy, 'target' | 'key'>): string {
  return `${target} ${key}`
}
