import { describe, expect, it } from 'vitest'
import type { BackupId, Copy, GroupId, Instant, TargetId } from '../../src/core/model.ts'
import { restorePins } from '../../src/core/restore-pins.ts'

function copy(backup: string, takenAt: number, changes: Partial<Copy> = {}): Copy {
  return {
    backup: backup as BackupId,
    target: 'shelf' as TargetId,
    group: 'system/shop/db' as GroupId,
    key: `system/shop/db/${backup}.tar.zst`,
    status: 'complete',
    bytes: null,
    sha256: null,
    readback: null,
    takenAt: takenAt as Instant,
    verifiedAt: null,
    verify: 'never',
    error: null,
    retained: null,
    ...changes,
  }
}

describe('what a restore pins', () => {
  it('is every copy of the backup restored from, and the newest sound one before it', () => {
    const other = { target: 'vault' as TargetId }
    const copies = [
      copy('old', 1),
      copy('damaged', 3, { verify: 'failed' }),
      copy('before', 2),
      copy('wanted', 4),
      copy('wanted', 4, other),
      copy('after', 5),
    ]
    const pinned = restorePins('wanted' as BackupId, copies)
    expect(pinned.map(({ backup, target }) => `${backup} ${target}`)).toEqual([
      'wanted shelf',
      'wanted vault',
      'before shelf',
    ])
  })

  it('never reaches into another group', () => {
    const elsewhere = copy('other', 1, { group: 'system/shop/files' as GroupId })
    expect(restorePins('wanted' as BackupId, [elsewhere, copy('wanted', 2)])).toHaveLength(1)
  })

  it('is nothing for a backup that has no copy left', () => {
    expect(restorePins('gone' as BackupId, [copy('wanted', 2)])).toEqual([])
  })
})
