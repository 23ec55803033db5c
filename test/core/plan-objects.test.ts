import { describe, expect, it } from 'vitest'
import { appliedAfter } from '../../src/core/applied.ts'
import { manifestKey } from '../../src/core/archive-key.ts'
import type { Bytes, Copy, Instant, TargetId } from '../../src/core/model.ts'
import type { Listing, Observed } from '../../src/core/observed.ts'
import { plan } from '../../src/core/plan.ts'
import { at, backup, copy, desired, HERE, job, nothing, plus, target } from './plan-nouns.ts'

const NOW = at('2026-11-20T12:00:00Z')
const TAKEN = at('2026-11-20T02:00:00Z')
const NAS = 'nas' as TargetId
const KEY = 'system/shop/files/a.tar.zst'
const shop = job('shop')
const wanted = desired([target('nas')], [shop])

type Listed = Extract<Listing, { kind: 'listed' }>

/** Objects of these keys with 1000 bytes each, all listed now. */
function listed(keys: readonly string[], changes: Partial<Listed> = {}): Listed {
  const object = (key: string) => ({ key, bytes: 1000 as Bytes, modifiedAt: TAKEN })
  return {
    kind: 'listed',
    prefixes: [''],
    at: NOW,
    objects: new Map(keys.map((key) => [key, object(key)])),
    unfinished: [],
    manifests: new Map(),
    pins: [],
    ...changes,
  }
}

function told(listing: Listing, history: Partial<Observed['history']>) {
  const observed = nothing({
    applied: appliedAfter(wanted, null, NOW),
    history: { ...nothing().history, ...history },
    listings: new Map([[NAS, listing]]),
  })
  return plan(wanted, observed, NOW).actions
}

describe('a complete copy', () => {
  const row = backup('b1', shop, TAKEN)
  const own = copy(row, 'nas', KEY)
  const missing = (listing: Listing, one: Copy = own, of = row) =>
    told(listing, { backups: [of], copies: [one] }).map(({ kind, because }) => ({ kind, because }))

  it('is there while archive and manifest are listed at the right size', () => {
    expect(missing(listed([KEY, manifestKey(KEY)]))).toEqual([])
  })

  it('is missing without its archive, without its manifest, or at another size', () => {
    expect(missing(listed([manifestKey(KEY)]))).toEqual([
      { kind: 'missing', because: { rule: 'archive-gone' } },
    ])
    expect(missing(listed([KEY]))).toEqual([
      { kind: 'missing', because: { rule: 'manifest-gone' } },
    ])
    const short = { key: KEY, bytes: 10 as Bytes, modifiedAt: TAKEN }
    expect(missing(listed([], { objects: new Map([[KEY, short]]) }))).toEqual([
      { kind: 'missing', because: { rule: 'size-differs', listed: 10, expected: 1000 } },
    ])
  })

  it('is never missing on the word of a target that was not looked at', () => {
    expect(missing({ kind: 'unreachable', error: 'no route' })).toEqual([])
    expect(missing({ kind: 'unlisted' })).toEqual([])
    expect(missing(listed([], { prefixes: ['system/other/'] }))).toEqual([])
    expect(missing(listed([], { prefixes: ['system/other/', 'system/shop/'] }))).toHaveLength(1)
  })

  it('is not missing from a list that is older than it', () => {
    const later = { ...row, finishedAt: plus(NOW, '1s') }
    expect(missing(listed([], { at: NOW }), own, later)).toEqual([])
  })

  it.each(['pruned', 'failed', 'missing', 'writing'] as const)(
    'is not meant by a %s one',
    (status) => {
      expect(missing(listed([]), { ...own, status })).toEqual([])
    },
  )
})

describe('an unfinished object', () => {
  const upload = (token: string) => ({ key: KEY, token, bytes: 5 as Bytes })
  const debris = (status: 'success' | 'failed' | 'running', token = 'b1') =>
    told(listed([], { unfinished: [upload(token)] }), {
      backups: [backup('b1', shop, TAKEN, { status, instance: HERE })],
    })

  it('is debris once the attempt that began it is over, whatever came of it', () => {
    expect(debris('failed')).toEqual([
      {
        kind: 'debris',
        subject: 'nas',
        backup: 'b1',
        object: { kind: 'unfinished', unfinished: upload('b1') },
        because: { rule: 'attempt-over', status: 'failed' },
      },
    ])
    expect(debris('success')).toHaveLength(1)
  })

  it('is left alone while its attempt goes on, and when it is none of ours', () => {
    expect(debris('running')).toEqual([])
    expect(debris('failed', 'stranger')).toEqual([])
  })
})

describe('an archive without a manifest', () => {
  const row = backup('b1', shop, TAKEN, { status: 'failed' })
  const torn = copy(row, 'nas', KEY, { status: 'writing', bytes: null })
  const debris = (listing: Listing, copies: readonly Copy[] = [torn], of = row) =>
    told(listing, { backups: [of], copies }).filter(({ kind }) => kind === 'debris')

  it('is debris when our history began it and the attempt is over', () => {
    expect(debris(listed([KEY]))).toMatchObject([
      { object: { kind: 'archive', key: KEY, bytes: 1000 }, because: { status: 'failed' } },
    ])
    expect(debris(listed([KEY]), [{ ...torn, status: 'failed' }])).toHaveLength(1)
  })

  it('is left alone when it was good once, or has a manifest after all', () => {
    expect(debris(listed([KEY]), [{ ...torn, status: 'missing' }])).toEqual([])
    expect(debris(listed([KEY, manifestKey(KEY)]))).toEqual([])
    const other = copy(backup('b2', shop, TAKEN), 'nas', KEY)
    expect(debris(listed([KEY]), [torn, other])).toEqual([])
  })

  it('is left alone when it stood there before the attempt that stumbled over it', () => {
    const older = { key: KEY, bytes: 1000 as Bytes, modifiedAt: (TAKEN - 60_000) as Instant }
    expect(debris(listed([], { objects: new Map([[KEY, older]]) }))).toEqual([])
  })

  it('is left alone when our history knows nothing of it', () => {
    expect(debris(listed([KEY]), [])).toEqual([])
  })
})

describe('what is left of a lost copy, with a manifest that does not fit', () => {
  it('is a warning, and never deleted', () => {
    const row = backup('b1', shop, TAKEN)
    const lost = copy(row, 'nas', KEY, { status: 'missing' })
    const foreign = { kind: 'foreign', why: 'it tells of 1000 bytes, the archive has 7' } as const
    const left = listed([KEY, manifestKey(KEY)], { manifests: new Map([[KEY, foreign]]) })
    const observed = nothing({
      applied: appliedAfter(wanted, null, NOW),
      history: { ...nothing().history, depth: 'full', backups: [row], copies: [lost] },
      listings: new Map([[NAS, left]]),
    })
    const { actions, warnings } = plan(wanted, observed, NOW)
    expect(actions.map(({ kind }) => kind)).not.toContain('debris')
    expect(warnings).toContainEqual(
      expect.objectContaining({ rule: 'copy-in-the-way', subject: 'nas' }),
    )
  })
})
