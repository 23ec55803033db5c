import { describe, expect, it } from 'vitest'
import { appliedAfter } from '../../src/core/applied.ts'
import type { Pause } from '../../src/core/fleet.ts'
import type { Observed } from '../../src/core/observed.ts'
import { plan } from '../../src/core/plan.ts'
import { at, desired, job, nothing, plus, target } from './plan-nouns.ts'

const SINCE = at('2026-11-19T12:00:00Z')
const NOW = at('2026-11-20T02:00:00Z')
const FILE = desired([target('nas')], [job('shop'), job('blog')])
const seen = (pauses: readonly Pause[]): Observed =>
  nothing({ applied: appliedAfter(FILE, null, SINCE), pauses })
const pause = (subject: Pause['subject']): Pause => ({
  subject,
  reason: 'disk is being changed',
  author: 'ann@nas',
  at: SINCE,
})
const backups = (pauses: readonly Pause[], now = NOW) =>
  plan(FILE, seen(pauses), now).actions.flatMap((one) =>
    one.kind === 'backup' ? [`${one.subject} ${one.because.rule}`] : [],
  )

describe('a pause', () => {
  it('keeps a job from its slot, and no other job', () => {
    expect(backups([])).toEqual(['blog slot-due', 'shop slot-due'])
    expect(backups([pause(job('shop').id)])).toEqual(['blog slot-due'])
    expect(backups([pause('*')])).toEqual([])
  })

  it('is told with its reason and its author for as long as it lasts', () => {
    const told = plan(FILE, seen([pause('*'), pause(job('shop').id)]), NOW).warnings
    expect(told.filter(({ rule }) => rule === 'paused')).toEqual([
      {
        rule: 'paused',
        subject: 'everything',
        message:
          'paused by ann@nas: disk is being changed; nothing is backed up, verified or deleted meanwhile',
        hint: 'holdfast job resume --all',
      },
      {
        rule: 'paused',
        subject: 'shop',
        message:
          'paused by ann@nas: disk is being changed; nothing is backed up, verified or deleted meanwhile',
        hint: 'holdfast job resume shop',
      },
    ])
  })

  it('leaves the slots that it cost to be caught up as one', () => {
    expect(backups([], plus(NOW, '3d'))).toEqual(['blog missed-slots', 'shop missed-slots'])
  })
})
