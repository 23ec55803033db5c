import { describe, expect, it } from 'vitest'
import { appliedAfter } from '../../src/core/applied.ts'
import type { Copy, Restore, TargetId } from '../../src/core/model.ts'
import type { Listing } from '../../src/core/observed.ts'
import { plan } from '../../src/core/plan.ts'
import {
  at,
  backup,
  copy,
  desired,
  job,
  lasting,
  nothing,
  plus,
  restore,
  target,
} from './plan-nouns.ts'

const NOW = at('2026-11-20T12:00:00Z')
const objectives = {
  rpo: null,
  rto: null,
  verifiedWithin: lasting('7d'),
  drilledWithin: null,
}
const shop = job('shop', {}, { objectives })
const wanted = desired([target('nas')], [shop])

const rows = [1, 2, 3].map((day) =>
  backup(`b${day}`, shop, at(`2026-11-${17 + day}T02:00:00Z`), { slot: null }),
)
const copies = rows.map((row) => copy(row, 'nas', `system/shop/files/${row.id}`))

/** The copies, oldest first, each with its changes. */
function changed(...changes: readonly Partial<Copy>[]): readonly Copy[] {
  return copies.map((one, index) => ({ ...one, ...changes[index] }))
}

function due(
  those: readonly Copy[],
  listing: Listing = { kind: 'unlisted' },
  restores: readonly Restore[] = [],
  of = wanted,
) {
  const observed = nothing({
    applied: appliedAfter(of, null, NOW),
    history: { ...nothing().history, depth: 'recent', backups: rows, copies: those, restores },
    listings: new Map([['nas' as TargetId, listing]]),
  })
  return plan(of, observed, NOW).actions.flatMap((one) =>
    one.kind === 'verify' ? [{ copy: one.copy.backup, because: one.because }] : [],
  )
}

describe('the newest copy of a group on a target', () => {
  it('is verified when none of them ever was', () => {
    expect(due(copies)).toEqual([{ copy: 'b3', because: { rule: 'never-verified' } }])
  })

  it('is left alone while any was verified recently', () => {
    const recent = { verify: 'ok', verifiedAt: plus(NOW, '0s') } as const
    expect(due(changed({}, recent))).toEqual([])
  })

  it('is verified when the newest verify is older than the objective', () => {
    const old = (text: string) => ({ verify: 'ok', verifiedAt: at(text) }) as const
    expect(due(changed(old('2026-11-01T00:00:00Z'), old('2026-11-05T00:00:00Z')))).toEqual([
      {
        copy: 'b3',
        because: { rule: 'verified-long-ago', verifiedAt: at('2026-11-05T00:00:00Z') },
      },
    ])
    expect(due(changed({}, {}, old('2026-11-13T12:00:00Z')))).toEqual([])
    expect(due(changed({}, {}, old('2026-11-13T11:59:59Z')))).toHaveLength(1)
  })

  it('is not read again and again after it failed, until its time comes or a newer one is there', () => {
    const failed = { verify: 'failed', verifiedAt: at('2026-11-20T03:00:00Z') } as const
    expect(due(changed({}, {}, failed))).toEqual([])
    expect(due(changed({}, failed))).toEqual([{ copy: 'b3', because: { rule: 'never-verified' } }])
    const long = { ...failed, verifiedAt: at('2026-11-01T00:00:00Z') }
    expect(due(changed({}, {}, long))).toHaveLength(1)
  })

  it('takes no time in the future for a proof', () => {
    const ahead = { verify: 'ok', verifiedAt: at('2036-01-01T00:00:00Z') } as const
    expect(due(changed({}, {}, ahead))).toHaveLength(1)
  })

  it('is not read from a target that cannot be reached, nor when it is found missing', () => {
    expect(due(copies, { kind: 'unreachable', error: 'no route' })).toEqual([])
    const empty: Listing = {
      kind: 'listed',
      prefixes: [''],
      at: NOW,
      objects: new Map(),
      unfinished: [],
      manifests: new Map(),
      pins: [],
    }
    expect(due(copies, empty)).toEqual([])
  })

  it('is not read while its source is being restored, nor for a job that is disabled or does not ask', () => {
    const under = restore('r1', shop, NOW, { status: 'running', finishedAt: null })
    expect(due(copies, { kind: 'unlisted' }, [under])).toEqual([])
    const off = desired([target('nas')], [{ ...shop, enabled: false }])
    expect(due(copies, { kind: 'unlisted' }, [], off)).toEqual([])
    expect(due(copies, { kind: 'unlisted' }, [], desired([target('nas')], [job('shop')]))).toEqual(
      [],
    )
  })

  it.each(['pruned', 'missing', 'failed', 'writing'] as const)('is never a %s one', (status) => {
    expect(due(changed({}, {}, { status }))).toMatchObject([{ copy: 'b2' }])
  })
})
