/*
 * How long the pure plan takes: `node bench/plan-scale.ts`. A thousand jobs with a hundred thousand
 * copies, and a tenth of each, everything listed; medians of five rounds, each in a process of its
 * own, as the `plan` command is one. Processor time, which on an idle machine is no less than the
 * time on the clock, and elsewhere does not tell what else runs. Ends with 1 when the large one takes
 * more than a second, or more than twelve times the small one.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
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
    pauses: [],
    pruneConfirmed: false,
    postures: new Map(),
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

/** Milliseconds of processor time, threads of the collector too, of one plan of so many jobs. */
function measure(jobs: number): number {
  const { desired, observed } = deployment(jobs)
  const before = process.cpuUsage()
  const { actions } = plan(desired, observed, NOW)
  const { user, system } = process.cpuUsage(before)
  if (actions.length < jobs) throw new Error(`only ${actions.length} actions for ${jobs} jobs`)
  return (user + system) / 1000
}

async function measureApart(jobs: number): Promise<number> {
  const script = [import.meta.filename, `${jobs}`]
  const { stdout } = await promisify(execFile)(process.execPath, script)
  return Number(stdout)
}

/** Milliseconds of the median plan with 10,000 and with 100,000 copies, the rounds alternating. */
export async function planScale(
  rounds: number,
): Promise<{ readonly small: number; readonly large: number }> {
  const small: number[] = []
  const large: number[] = []
  for (let round = 0; round < rounds; round++) {
    small.push(await measureApart(100))
    large.push(await measureApart(1000))
  }
  return { small: medianOf(small), large: medianOf(large) }
}

function medianOf(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? Number.POSITIVE_INFINITY
}

if (import.meta.main) {
  const [jobs] = process.argv.slice(2)
  if (jobs !== undefined) {
    console.log(measure(Number(jobs)))
  } else {
    const { small, large } = await planScale(ROUNDS)
    console.log(`jobs   copies   median of ${ROUNDS}, processor time`)
    console.log(`  100   10,000   ${small.toFixed(0)} ms`)
    console.log(`1,000  100,000   ${large.toFixed(0)} ms   ${(large / small).toFixed(1)}x`)
    process.exitCode = large <= 1000 && large / small <= 12 ? 0 : 1
  }
}
