import type { BackupId, Copy } from './model.ts'

/**
 * What has to stay until a baseline after a restore is complete: every copy of the backup that was
 * restored from, and the newest sound copy of the same group before it.
 */
export function restorePins(restored: BackupId, copies: readonly Copy[]): readonly Copy[] {
  const complete = copies.filter(({ status }) => status === 'complete')
  const own = complete.filter(({ backup }) => backup === restored)
  const [first] = own
  if (first === undefined) return []
  const before = complete
    .filter(({ group, verify }) => group === first.group && verify !== 'failed')
    .filter(({ takenAt }) => takenAt < first.takenAt)
    .reduce<Copy | null>((best, one) => (best && best.takenAt >= one.takenAt ? best : one), null)
  return before ? [...own, before] : own
}
