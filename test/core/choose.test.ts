import { describe, expect, it } from 'vitest'
import { chooseBackup, chooseBackups } from '../../src/core/choose.ts'
import type {
  Backup,
  BackupId,
  Bytes,
  Copy,
  GroupId,
  InstanceId,
  Instant,
  JobId,
  RunId,
  TargetId,
} from '../../src/core/model.ts'
import type { Reference } from '../../src/core/reference.ts'
import { ReferenceUnknown } from '../../src/lib/errors.ts'
import { keyTimestamp } from '../../src/lib/time.ts'

const at = (text: string) => Date.parse(text) as Instant
const MINUTE = 60_000

interface Row {
  readonly id: string
  readonly source?: string
  readonly run?: string
  readonly name?: string
  readonly taken: string
  readonly status?: Backup['status']
  readonly on?: readonly (readonly [string, Copy['status'], Copy['verify']])[]
}

const rows: readonly Row[] = [
  { id: '1kaaaaaaaaaaaaaa01', source: 'db', taken: '2026-11-17T02:05:00Z', name: 'weekly' },
  {
    id: '1kaaaaaaaaaaaaaa02',
    source: 'files',
    taken: '2026-11-17T02:06:00Z',
    name: 'weekly',
    run: '1kaaaaaaaaaaaaaa01',
  },
  { id: '1kbbbbbbbbbbbbbb01', source: 'db', taken: '2026-11-18T02:05:00Z' },
  {
    id: '1kbbbbbbbbbbbbbb02',
    source: 'files',
    taken: '2026-11-18T02:06:00Z',
    on: [
      ['usb', 'complete', 'failed'],
      ['s3', 'complete', 'never'],
      ['nas', 'complete', 'never'],
      ['b2', 'complete', 'ok'],
      ['old', 'pruned', 'ok'],
    ],
  },
  { id: '1kcccccccccccccc01', source: 'db', taken: '2026-11-19T02:05:00Z', name: 'weekly' },
  {
    id: '1kdddddddddddddd01',
    source: 'db',
    taken: '2026-11-20T02:05:00Z',
    on: [['nas', 'complete', 'failed']],
  },
  { id: '1keeeeeeeeeeeeee01', source: 'db', taken: '2026-11-21T02:05:00Z', status: 'failed' },
  {
    id: '1kffffffffffffff01',
    source: 'db',
    taken: '2026-11-22T02:05:00Z',
    on: [['nas', 'pruned', 'ok']],
  },
]
const history = historyOf(rows)

function historyOf(all: readonly Row[]) {
  const backups = all.map(({ id, source = 'db', run, name, taken, status }): Backup => {
    const finishedAt = at(taken)
    return {
      id: id as BackupId,
      run: `run-${run ?? id}` as RunId,
      runName: name ?? null,
      job: 'shop' as JobId,
      organization: null,
      app: null,
      source,
      sourceKind: 'directory',
      group: `system/shop/${source}` as GroupId,
      slot: null,
      attempt: 1,
      trigger: 'manual',
      status: status ?? 'success',
      instance: 'here' as InstanceId,
      fence: 1,
      startedAt: (finishedAt - 5 * MINUTE) as Instant,
      finishedAt,
      storedBytes: 1 as Bytes,
      contentBytes: null,
      error: null,
      warnings: [],
    }
  })
  const copies = all.flatMap(({ id, taken, on = [['nas', 'complete', 'never']] }) =>
    on.map(
      ([target, status, verify]): Copy => ({
        backup: id as BackupId,
        target: target as TargetId,
        group: 'g' as GroupId,
        key: `${id}.tar`,
        status,
        bytes: 1 as Bytes,
        sha256: null,
        readback: null,
        takenAt: at(taken),
        verifiedAt: null,
        verify,
        error: null,
        retained: null,
      }),
    ),
  )
  return { backups, copies }
}

function reference(which: string, source: string | null = null): Reference {
  return {
    job: 'shop' as JobId,
    source,
    which: which === 'latest' ? { kind: 'latest' } : { kind: 'named', text: which },
  }
}

function chosen(which: string, source: string | null = null, from = history): readonly string[] {
  return chooseBackups(from, reference(which, source)).map(
    ({ backup }) => backup.id.slice(1, 3) + backup.id.slice(-2),
  )
}

function refusal(which: string, source: string | null = null, from = history): string {
  try {
    chooseBackups(from, reference(which, source))
  } catch (error) {
    if (error instanceof ReferenceUnknown) return `${error.message}; ${error.hint}`
    throw error
  }
  return 'accepted'
}

describe('a backup is chosen', () => {
  it('as the newest that is complete and did not fail its verify, one for each source', () => {
    expect(chosen('latest')).toEqual(['kc01', 'kb02'])
    expect(chosen('latest', 'db')).toEqual(['kc01'])
  })

  it('by its id, or the first six or more characters of it', () => {
    expect(chosen('1kaaaaaaaaaaaaaa02')).toEqual(['ka02'])
    expect(chosen('1kcccc')).toEqual(['kc01'])
    expect(chosen('1kbbbb', 'files')).toEqual(['kb02'])
    expect(refusal('1kccc')).toContain('no backup of shop is called "1kccc"')
    expect(refusal('1kbbbb')).toBe(
      '"1kbbbb" begins the ids of 2 backups; write more of it: shop/db@1kbbbbbbbbbbbbbb01, shop/files@1kbbbbbbbbbbbbbb02',
    )
  })

  it('by its id also when its verify failed, for whoever asks for that very one', () => {
    expect(chosen('1kdddddddddddddd01')).toEqual(['kd01'])
  })

  it('by the id of its run', () => {
    expect(chosen('run-1kaaaaaaaaaaaaaa01')).toEqual(['ka01', 'ka02'])
  })

  it('by the name of its run: of equal names the newest run, never a mix of two', () => {
    expect(chosen('weekly')).toEqual(['kc01'])
    expect(chosen('weekly', 'files')).toEqual(['ka02'])
  })

  it('by a time: the newest taken at or before it', () => {
    expect(chosen('2026-11-18T02:05:00Z', 'db')).toEqual(['kb01'])
    expect(chosen('2026-11-18T02:04:59.999Z', 'db')).toEqual(['ka01'])
    expect(chosen('2026-11-18T03:05:00+01:00', 'db')).toEqual(['kb01'])
    expect(chosen('2026-11-19', 'db')).toEqual(['kb01'])
    expect(chosen('2026-11-30T00:00:00Z')).toEqual(['kc01', 'kb02'])
    expect(chosen('2026-11-17T02:05:30Z')).toEqual(['ka01'])
  })

  it("by the timestamp in its archive's key, which is the start of the attempt", () => {
    const start = keyTimestamp(at('2026-11-18T02:00:00Z'))
    expect(chosen(start, 'db')).toEqual(['kb01'])
    expect(chosen('2026-11-18T02:00:00.000Z', 'db')).toEqual(['ka01'])
  })

  it('with its complete copies, the verified first and those that failed it last', () => {
    const { copies, takenAt } = chooseBackup(history, reference('latest', 'files'))
    expect(copies.map(({ target }) => target)).toEqual(['b2', 'nas', 's3', 'usb'])
    expect(takenAt).toBe(at('2026-11-18T02:06:00Z'))
  })

  it('the same whatever the order of the history', () => {
    const turned = { backups: history.backups.toReversed(), copies: history.copies.toReversed() }
    for (const which of ['latest', 'weekly', '2026-11-18T02:05:00Z']) {
      expect(chooseBackups(turned, reference(which))).toEqual(
        chooseBackups(history, reference(which)),
      )
    }
  })
})

describe('a choice is refused', () => {
  it('when one is asked for and the job has several sources', () => {
    expect(() => chooseBackup(history, reference('latest'))).toThrow(
      expect.objectContaining({ hint: 'name one of them: shop/db, shop/files' }),
    )
    expect(chooseBackup(history, reference('1kcccc')).backup.source).toBe('db')
  })

  it('when nothing is complete', () => {
    expect(refusal('latest', 'db', historyOf([]))).toBe(
      'shop/db has no complete backup; make one with: holdfast backup create shop/db',
    )
    const [, , , , , failed] = rows
    expect(refusal('latest', 'db', historyOf(failed ? [failed] : []))).toContain(
      'every backup of shop/db failed its verify',
    )
  })

  it('when the one that is named did not succeed, or is gone', () => {
    expect(refusal('1keeeeeeeeeeeeee01')).toContain('backup 1keeeeeeeeeeeeee01 of shop is failed')
    expect(refusal('1kffffffffffffff01')).toContain('has no complete copy')
  })

  it('when none is that old, with the oldest there is', () => {
    expect(refusal('2026-11-17', 'db')).toBe(
      'shop/db has no complete backup as old as 2026-11-17; the oldest was taken at 2026-11-17T02:05:00.000Z',
    )
  })

  it('when the name is unknown, with the one that was likely meant', () => {
    expect(refusal('weakly')).toBe(
      'no backup of shop is called "weakly"; did you mean shop@weekly?',
    )
    expect(refusal('something')).toContain('holdfast backup list')
  })
})
