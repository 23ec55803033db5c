/*
 * How long the pure plan takes: `node bench/plan-scale.ts`. A thousand jobs with a hundred thousand
 * copies, and a tenth of each, everything listed; medians of five rounds. Ends with 1 when the
 * large one takes more than a second, or more than twelve times the small one.
 */
import { appliedAfter } from '../src/core/applied.ts'
import { manifestKey } from '../src/core/archive-key.ts'
import type { Copy, Desired, Instant, Retention } from '../src/core/model.ts'
import type { Observed, StoredObject } from '../src/core/observed.ts'
import { plan } from '../src/core/plan.ts'
import { keyTimestamp } from '../src/lib/time.ts'
import { backup, copy, desired, job, lasting, target } from '../test/core/plan-nouns.ts'

const DAY = 24 * 60 * 60_000
const NOW = Date.UTC(2026, 10, 20, 2, 0, 5) as Instant
const COPIES_OF_A_JOB = 100
const ROUNDS = 5
const KEEP: Partial<Retention> = { keepLast: 3, keepDaily: 30, keepWeekly: 8, keepMonthly: 12 }
const OBJECTIVES = { rpo: null, rto: null, verifiedWithin: lasting('7d'), drilledWithin: null }

/** A deployment that has run for a hundred days with a retention that was just tightened. */
export function deployment(jobs: number): {
  readonly desired: Desired
  readonly observed: Observed
} {
  const declared = Array.from({ length: jobs }, (_, index) =>
    job(`job-${index}`, { keep: KEEP }, { maxDelete: 1, objectives: OBJECTIVES }),
  )
  const wanted = desired([target('nas')], declared)
  const rows = declared.flatMap((one) =>
    Array.from({ length: COPIES_OF_A_JOB }, (_, age) => {
      const startedAt = (NOW - age * DAY - 5000 - DAY) as Instant
      const row = backup(`${one.id}-${age}`, one, startedAt)
      return { row, own: copy(row, 'nas', `${row.group}/${keyTimestamp(startedAt)}.tar.zst`) }
    }),
  )
  const observed: Observed = {
    applied: appliedAfter(wanted, null, (NOW - 200 * DAY) as Instant),
    history: {
      depth: 'full',
      runs: [],
      backups: rows.map(({ row }) => row),
      copies: rows.map(({ own }) => own),
      restores: [],
    },
    listings: new Map([
      ...wanted.targets.map(
        ({ id }) =>
          [
            id,
            {
              kind: 'listed',
              prefixes: declared.flatMap(({ sources }) => sources.map(({ group }) => `${group}/`)),
              at: NOW,
              objects: objectsOf(rows.map(({ own }) => own)),
              unfinished: [],
              manifests: new Map(),
              pins: [],
            },
          ] as const,
      ),
    ]),
    alive: new Set(),
    pruneConfirmed: false,
    restoreRequested: null,
    warnings: [],
  }
  return { desired: wanted, observed }
}

function objectsOf(copies: readonly Copy[]): ReadonlyMap<string, StoredObject> {
  const objects = new Map<string, StoredObject>()
  for (const { key, bytes, takenAt } of copies) {
    if (bytes === null) continue
    objects.set(key, { key, bytes, modifiedAt: takenAt })
    objects.set(manifestKey(key), { key: manifestKey(key), bytes, modifiedAt: takenAt })
  }
  return objects
}

function measure(jobs: number): number {
  const { desired, observed } = deployment(jobs)
  const times = Array.from({ length: ROUNDS }, () => {
    const start = performance.now()
    const { actions } = plan(desired, observed, NOW)
    const took = performance.now() - start
    if (actions.length < jobs) throw new Error(`only ${actions.length} actions for ${jobs} jobs`)
    return took
  })
  return times.sort((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? Number.POSITIVE_INFINITY
}

/** Milliseconds of the median plan with 10,000 and with 100,000 copies. */
export function planScale(): { readonly small: number; readonly large: number } {
  return { small: measure(100), large: measure(1000) }
}

if (import.meta.main) {
  const { small, large } = planScale()
  console.log('jobs   copies   median of 5')
  console.log(`  100   10,000   ${small.toFixed(0)} ms`)
  console.log(`1,000  100,000   ${large.toFixed(0)} ms   ${(large / small).toFixed(1)}x`)
  process.exitCode = large <= 1000 && large / small <= 12 ? 0 : 1
}
