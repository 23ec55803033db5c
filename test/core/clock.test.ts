import { describe, expect, it } from 'vitest'
import { manifestKey } from '../../src/core/archive-key.ts'
import { clockFaults } from '../../src/core/clock.ts'
import type { Bytes, Instant, Millis, TargetId } from '../../src/core/model.ts'
import type { Listing, Observed } from '../../src/core/observed.ts'
import { plan } from '../../src/core/plan.ts'
import { at, desired, nothing, plus, target } from './plan-nouns.ts'
import { DEPLOYMENT, tell } from './plan-story.ts'
import { act, observe } from './plan-world.ts'

const NOW = at('2026-11-20T12:00:00Z')
const START = at('2026-11-20T00:30:00Z')
const clock = (by: number, error = 0) => ({ by: by as Millis, error: error as Millis })

const FILE = desired([target('nas', { kind: 's3' })], [])
const faults = (seen: Observed) => clockFaults(FILE, seen, NOW)

function listed(...times: readonly Instant[]): Map<TargetId, Listing> {
  const objects = new Map(
    times.map((modifiedAt, index) => [
      `o${index}`,
      { key: `o${index}`, bytes: 1 as Bytes, modifiedAt },
    ]),
  )
  const listing = {
    ...({ kind: 'listed', prefixes: [''], at: NOW, objects } as const),
    ...{ unfinished: [], manifests: new Map(), pins: [] },
  }
  return new Map([['nas' as TargetId, listing]])
}

describe('a clock', () => {
  it('is believed while it is as near to the database as can be told', () => {
    expect(faults(nothing({ clock: null }))).toEqual([])
    expect(faults(nothing({ clock: clock(59_000) }))).toEqual([])
    expect(faults(nothing({ clock: clock(65_000, 6_000) }))).toEqual([])
    expect(faults(nothing({ clock: clock(-65_000, 1_000) }))).toEqual([
      { place: 'the database', by: -65_000 },
    ])
  })

  it('is not compared with a folder of its own machine', () => {
    const seen = nothing({ listings: listed(plus(NOW, '10m')) })
    expect(clockFaults(desired([target('nas')], []), seen, NOW)).toEqual([])
  })

  it('is contradicted by a target that has objects of later than now', () => {
    expect(faults(nothing({ listings: listed(plus(NOW, '4m')) }))).toEqual([])
    expect(faults(nothing({ listings: listed(plus(NOW, '10m'), NOW) }))).toEqual([
      { place: 'nas', by: -600_000 },
    ])
  })
})

/** The same, on targets of other machines. */
const FAR = {
  ...DEPLOYMENT,
  targets: DEPLOYMENT.targets.map((one) => ({ ...one, kind: 's3' })),
}

describe('deletions', () => {
  /** A month of days, so that retention lets copies go. */
  function month(): Observed {
    const { world } = tell([], START)
    for (let day = 0; day < 30; day++) {
      world.now = plus(world.now, '1d')
      const all = plan(DEPLOYMENT, observe(world), world.now)
      act(world, { ...all, actions: all.actions.filter(({ kind }) => kind !== 'prune') })
    }
    return { ...observe(world), pruneConfirmed: true }
  }
  const kinds = (seen: Observed, now: Instant) =>
    new Set(plan(FAR, seen, now).actions.map(({ kind }) => kind))

  it('stop while the database tells another time, confirmed or not, and plan says so', () => {
    const seen = month()
    const now = plus(START, '30d')
    expect(kinds(seen, now)).toContain('prune')
    const ahead = { ...seen, clock: clock(120_000) }
    expect(kinds(ahead, now)).not.toContain('prune')
    expect(kinds(ahead, now)).toContain('prune-blocked')
    expect(plan(FAR, ahead, now).warnings).toContainEqual({
      rule: 'clock-skew',
      subject: 'the database',
      message:
        'the clock of this machine is 2m ahead of that of the database: nothing is deleted meanwhile',
      hint: 'set the clocks by NTP: timedatectl status',
    })
  })

  it('stop while a target wrote the newest archive long before it was finished by our clock', () => {
    const seen = month()
    const early = new Map(
      [...seen.listings].map(([id, listing]): [TargetId, Listing] => {
        if (listing.kind !== 'listed') return [id, listing]
        const objects = new Map(
          [...listing.objects].map(([key, one]) => [
            key,
            { ...one, modifiedAt: plus(one.modifiedAt, '0s') },
          ]),
        )
        for (const { key, takenAt } of seen.history.copies) {
          const manifest = objects.get(manifestKey(key))
          if (manifest) {
            const modifiedAt = (takenAt - 600_000) as Instant
            objects.set(manifest.key, { ...manifest, modifiedAt })
          }
        }
        return [id, { ...listing, objects }]
      }),
    )
    expect(kinds({ ...seen, listings: early }, plus(START, '30d'))).not.toContain('prune')
  })
})
