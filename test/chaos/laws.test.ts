import { describe, expect, it } from 'vitest'
import type { Archive, Attempt, Counted, Evidence } from './evidence.ts'
import { judge } from './laws.ts'

const SLOT = 1_000_000
const NEXT = SLOT + 60_000

const attempt = (id: string, more: Partial<Attempt> = {}): Attempt => ({
  id,
  job: 'docs',
  slot: SLOT,
  status: 'success',
  instance: 'ada',
  fence: 1,
  started_at: SLOT,
  finished_at: SLOT + 1000,
  error: null,
  ...more,
})

const archive = (backup: string, more: Partial<Archive> = {}): Archive => ({
  key: `docs/${backup}`,
  backup,
  job: 'docs',
  slot: SLOT,
  id: `id-${backup}`,
  bytes: 10,
  sha256: 'a',
  ...more,
})

const counted = (backup: string, more: Partial<Counted> = {}): Counted => ({
  id: `id-${backup}`,
  job: 'docs',
  instance: 'ada',
  from: SLOT,
  to: SLOT + 500,
  isWhole: true,
  ...more,
})

const copy = (backup: string) => ({
  backup,
  key: `docs/${backup}`,
  status: 'complete',
  bytes: 10,
  sha256: 'a',
})

/** One slot that went well. */
const well: Evidence = {
  jobs: [{ id: 'docs', slots: [SLOT], ticks: 0 }],
  attempts: [attempt('one')],
  copies: [copy('one')],
  archives: [archive('one')],
  counted: [counted('one')],
  disorder: [],
  deaths: [],
  drains: [],
  outages: [],
  ends: [],
}

const brokenBy = (more: Partial<Evidence>) => judge({ ...well, ...more }).broken.join('\n')

const dead = { status: 'failed', error: 'abandoned', finished_at: SLOT + 61_000 }
/** It was killed over that attempt, and its lease ended 20 s later. */
const death = {
  at: SLOT + 10_000,
  instance: 'ada',
  leases: [{ name: 'job:docs', until: SLOT + 30_000 }],
  open: [{ id: 'lost', job: 'docs' }],
}

describe('the laws of the chaos', () => {
  it('hold where all went well', () => {
    expect(judge(well)).toMatchObject({ slots: 1, doubled: 0, lost: 0, broken: [] })
  })

  it.each<[string, Partial<Evidence>, string]>([
    [
      'a second success of a slot',
      { attempts: [attempt('one'), attempt('two', { fence: 2 })] },
      'succeeded twice',
    ],
    [
      'a second archive of a slot',
      { archives: [archive('one'), archive('two')] },
      'succeeded twice',
    ],
    [
      'a slot that came to nothing',
      { attempts: [attempt('one', { status: 'failed' })] },
      'is lost',
    ],
    ['a success without an archive', { archives: [] }, 'has no archive'],
    ['a success without a copy', { copies: [] }, 'has a copy that is undefined'],
    ['an archive of another size', { archives: [archive('one', { bytes: 9 })] }, '9 bytes, not 10'],
    ['a cut archive', { archives: [archive('one', { id: null })] }, 'the source did not end'],
    [
      'a source that did not come to its end',
      { counted: [counted('one', { isWhole: false })] },
      'the source did not end',
    ],
    ['an archive of no row', { archives: [archive('one'), archive('x', { slot: 5 })] }, 'docs/x'],
    ['what is left lying about', { disorder: ['lease job:docs'] }, 'something is left'],
    [
      'a fence that falls',
      {
        attempts: [
          attempt('one', { fence: 3 }),
          attempt('two', { fence: 2, slot: NEXT, started_at: NEXT }),
        ],
      },
      'fences do not grow: docs: 3,2',
    ],
    [
      'two that overlap by more than a lease',
      {
        counted: [
          counted('one', { to: SLOT + 40_000 }),
          counted('two', { from: SLOT + 1000, to: SLOT + 40_000 }),
        ],
      },
      'overlap by 39000 ms',
    ],
    [
      'a takeover that took too long',
      {
        attempts: [attempt('lost', dead), attempt('one')],
        deaths: [death],
        ends: [{ backup: 'lost', at: SLOT + 61_000 }],
      },
      'a takeover took 31000 ms',
    ],
    [
      'an attempt that nobody took over',
      { attempts: [attempt('lost', { status: 'running' }), attempt('one')], deaths: [death] },
      'nobody took over: docs (lost)',
    ],
    [
      'a drain that cut something short',
      {
        attempts: [attempt('cut', { status: 'failed', error: 'drained' }), attempt('one')],
        drains: [{ instance: 'ada', name: 'ada', from: SLOT + 500, to: SLOT + 2000, code: 0 }],
      },
      'a drain lost something',
    ],
    [
      'a drain that did not end well',
      { drains: [{ instance: 'ada', name: 'ada', from: SLOT, to: SLOT, code: 1 }] },
      'ada ended with 1',
    ],
  ])('break by %s', (_, more, law) => {
    expect(brokenBy(more)).toContain(law)
  })

  it('count a takeover from when the database is there', () => {
    const evidence = {
      ...well,
      attempts: [attempt('lost', dead), attempt('one')],
      deaths: [death],
      ends: [{ backup: 'lost', at: SLOT + 61_000 }],
      outages: [{ from: SLOT + 20_000, to: SLOT + 50_000 }],
    }
    expect(judge(evidence)).toMatchObject({ longestTakeover: 11_000, broken: [] })
  })

  it('let a later slot stand for one that came to nothing', () => {
    const evidence = {
      ...well,
      jobs: [{ id: 'docs', slots: [SLOT - 60_000, SLOT], ticks: 0 }],
    }
    expect(judge(evidence)).toMatchObject({ passedOver: 1, lost: 0, broken: [] })
  })
})
