import type { InstanceSeen, Pause } from '../core/fleet.ts'
import { expectedInterval } from '../core/interval.ts'
import { livingSources } from '../core/members.ts'
import type { AppliedJob, Desired, DesiredJob, Instant, Millis } from '../core/model.ts'
import type { Inside } from '../daemon/face.ts'
import type { JobPast } from '../daemon/past.ts'
import type { StateSeen } from '../daemon/vitals.ts'
import { unlessAborted } from '../lib/limits.ts'

/** All that the metrics of one scrape are told from. */
export interface Seen {
  readonly inside: Inside
  readonly now: Instant
  readonly jobs: readonly JobSeen[]
  readonly state: StateSeen
  /** Null: the state did not tell. */
  readonly fleet: Fleet | null
}

export interface JobSeen {
  readonly job: DesiredJob
  readonly past: JobPast | null
  readonly interval: Millis | null
  /** Since when its slots are owed. */
  readonly since: Instant | null
  /** Since when the source that waits longest for a success does so; null when that is not known. */
  readonly waitingSince: Instant | null
}

interface Fleet {
  readonly instances: readonly InstanceSeen[]
  readonly pauses: readonly Pause[]
}

/** A state that hangs must not keep the rest of the metrics from who scrapes. */
const PATIENCE = 4_000

/** What changes with the config alone, kept from scrape to scrape. */
const known = new WeakMap<Desired, Promise<Standing>>()

interface Standing {
  readonly intervals: ReadonlyMap<DesiredJob, Millis | null>
  readonly applied: ReadonlyMap<string, AppliedJob>
  /** When this process took the config. */
  readonly takenAt: Instant
}

/** Looks at everything once. Never throws: what the state does not tell is left out. */
export async function look(inside: Inside): Promise<Seen> {
  const { desired, store, now } = inside.world()
  const limit = AbortSignal.timeout(PATIENCE)
  const orNull = <T>(asked: Promise<T>) => unlessAborted(asked, limit).catch(() => null)
  const [state, fleet, past, standing] = await Promise.all([
    inside.vitals.feel(store),
    orNull(fleetOf(inside)),
    orNull(inside.vitals.past(store, desired.jobs)),
    orNull(standingOf(inside)),
  ])
  const jobs = desired.jobs.map((job) => {
    const own = past?.of(job) ?? null
    return {
      job,
      past: own,
      interval: standing?.intervals.get(job) ?? null,
      since: standing?.applied.get(job.id)?.since ?? null,
      waitingSince: own && standing && waitingSince(job, own, standing),
    }
  })
  return { inside, now: now(), jobs, state, fleet }
}

/** A source that never succeeded waits since it was declared, in a job however old. */
function waitingSince(
  job: DesiredJob,
  { successes }: JobPast,
  { applied, takenAt }: Standing,
): Instant | null {
  const known = applied.get(job.id)
  const sources = livingSources(job)
  if (known === undefined || sources.length === 0) return null
  const declared = (name: string) =>
    known.sources === undefined ? known.since : (known.sources[name] ?? takenAt)
  const waits = sources.map(
    ({ name }) => successes.get(name) ?? Math.max(known.since, declared(name)),
  )
  return Math.min(...waits) as Instant
}

async function fleetOf({ world }: Inside): Promise<Fleet> {
  const { store } = world()
  return { instances: await store.instances(), pauses: await store.pauses() }
}

function standingOf(inside: Inside): Promise<Standing> {
  const { desired } = inside.world()
  const standing = known.get(desired) ?? stand(inside)
  // Before the config is applied, nothing tells since when its jobs are declared.
  if (inside.vitals.phase() !== 'starting') known.set(desired, standing)
  // What could not be read this time is asked again at the next.
  standing.catch(() => known.delete(desired))
  return standing
}

async function stand({ world, vitals }: Inside): Promise<Standing> {
  const { desired, store, now } = world()
  const applied = await store.applied()
  const intervals = new Map<DesiredJob, Millis | null>()
  for (const [index, job] of desired.jobs.entries()) {
    // Thousands of patterns take a second: whoever asks for health meanwhile is answered.
    if (index % 100 === 99) await new Promise(setImmediate)
    const { schedule, enabled } = job
    intervals.set(job, schedule && enabled ? expectedInterval(schedule, now()) : null)
  }
  const takenAt = vitals.tally.config.takenAt ?? now()
  return { intervals, applied: new Map(applied?.jobs.map((job) => [job.id, job])), takenAt }
}
