import { expect, it } from 'vitest'
import type { Copy, Instant } from '../../src/core/model.ts'
import { createVitals } from '../../src/daemon/vitals.ts'
import { makeLoop } from './loop.ts'

const NOON = '2026-11-20T12:00:00Z'

const config = {
  targets: { here: { type: 'local', path: 'target' } },
  jobs: {
    docs: {
      schedule: '0 2 * * *',
      source: { type: 'command', name: 'docs', backup: ['date', '+%N'] },
    },
  },
}

it.each([
  ['damaged', { old: 'failed', newest: 'ok' }],
  ['well', { old: 'ok', newest: 'failed' }],
] as const)(
  'what was verified last before a start counts, also of an older copy: %s',
  async (_, verdicts) => {
    await using loop = await makeLoop(config, { now: NOON })
    for (const day of ['21', '22', '23']) {
      loop.setTime(`2026-11-${day}T02:00:00Z`)
      await loop.quiet()
    }
    const { store, desired, now } = loop.world()
    const { copies } = await loop.history()
    const [old, , newest] = copies.toSorted((a, b) => a.takenAt - b.takenAt)
    const judged = async (copy: Copy | undefined, verify: Copy['verify'], iso: string) => {
      if (copy) await store.saveCopy({ ...copy, verify, verifiedAt: Date.parse(iso) as Instant })
    }
    await judged(newest, verdicts.newest, '2026-11-23T03:00:00Z')
    await judged(old, verdicts.old, '2026-11-23T04:00:00Z')

    const vitals = createVitals(() => {}, now)
    await vitals.past(store, desired.jobs)
    expect(vitals.tally.verified.get('docs')?.get('here')).toEqual({
      isWell: verdicts.old === 'ok',
      at: Date.parse('2026-11-23T04:00:00Z'),
    })
  },
)
