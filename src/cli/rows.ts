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
  return (backup, copies) => {
    if (copies.length === 0) return [backupRow(backup, null, [], false)]
    return copies
      .toSorted((a, b) => byText(a.target, b.target))
      .map((copy) => {
        const place = placeOf(copy)
        return backupRow(backup, copy, kept.get(place) ?? [], pins.has(place))
      })
  }
}

/** Where pins lie: also beside copies that retention has no word about. */
function pinsOf({ listings }: Observed): ReadonlySet<string> {
  const pins = [...listings.values()].flatMap((one) => (one.kind === 'listed' ? one.pins : []))
  return new Set(pins.map(placeOf))
}

function placeOf({ target, key }: Pick<Copy, 'target' | 'key'>): string {
  return `${target} ${key}`
}
