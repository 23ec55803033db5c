import type { MetricName } from '../core/metrics.ts'
import { DRIFT } from '../daemon/inventory.ts'
import { BACKUP_RESULTS, type Counts, type Outcome, RESULTS } from '../daemon/tally.ts'
import { instanceName } from './health.ts'
import type { JobSeen, Seen } from './seen.ts'

/** One number with its labels. */
export interface Sample {
  readonly value: number
  readonly labels?: Readonly<Record<string, string>>
}

type Reading = (seen: Seen) => readonly Sample[]

/** How each metric is read; no sample where it does not apply, or is not known. */
export const SAMPLES: Readonly<Record<MetricName, Reading>> = {
  ...ofInstance(),
  ...ofConfig(),
  ...ofJobs(),
  ...ofWork(),
}

const DUTIES = ['job', 'target', 'inventory', 'deployment', 'recovery']

function ofInstance() {
  return {
    replica_info: ({ inside }: Seen) => [
      { value: 1, labels: { version: inside.world().version, name: instanceName(inside) } },
    ],
    ready: ({ inside, state }: Seen) =>
      one(state.isReached && inside.vitals.phase() === 'working' && !inside.isDraining()),
    draining: ({ inside }: Seen) =>
      one(inside.isDraining() || inside.vitals.phase() === 'draining'),
    instances_expected: ({ inside }: Seen) => one(inside.world().desired.instances),
    instances_seen: seenInstances,
    clock_skew_seconds: skew,
    state_up: ({ state }: Seen) => one(state.isReached),
    state_round_trip_seconds: ({ state }: Seen) => seconds(state.roundTrip),
    redis_up: (seen: Seen) => ofRedis(seen, (redis) => redis?.isThere ?? true),
    redis_losses_total: (seen: Seen) => ofRedis(seen, (redis) => redis?.losses ?? 0),
    redis_failovers_total: (seen: Seen) => ofRedis(seen, (redis) => redis?.failovers ?? 0),
    leases_held: ({ inside }: Seen) =>
      DUTIES.map((duty) => ({ value: inside.vitals.held.get(duty) ?? 0, labels: { duty } })),
  }
}

function ofConfig() {
  return {
    config_last_reload_successful: ({ inside }: Seen) =>
      one(inside.vitals.tally.config.rejected === null),
    config_last_reload_success_timestamp_seconds: ({ inside }: Seen) =>
      seconds(inside.vitals.tally.config.takenAt),
    restore_variable_set: ({ inside }: Seen) => one(inside.restoreVariable !== null),
  }
}

function ofJobs() {
  return {
    job_declared_timestamp_seconds: perJob(({ since }) => inSeconds(since)),
    job_expected_interval_seconds: perJob(({ interval }) => inSeconds(interval)),
    job_rpo_seconds: perJob(({ job }) => (job.enabled ? inSeconds(job.objectives.rpo) : null)),
    job_last_success_timestamp_seconds: perJob(({ past }) => inSeconds(past?.lastSuccessAt)),
    job_waiting_since_timestamp_seconds: perJob(({ waitingSince }) => inSeconds(waitingSince)),
    job_last_attempt_timestamp_seconds: perJob(({ past }) => inSeconds(past?.lastAttemptAt)),
    job_sources_failing: perJob(({ job, past }) => (job.enabled ? (past?.failing ?? null) : null)),
    job_last_attempt_duration_seconds: perJob(({ past }) => inSeconds(past?.lastDuration)),
    job_last_success_bytes: perJob(({ past }) => past?.lastBytes ?? null),
    job_paused: paused,
  }
}

function ofWork() {
  return {
    backups_total: ({ inside }: Seen) => {
      const names = inside.world().desired.jobs.map(({ id }) => id)
      return counted(inside.vitals.tally.backups, {
        names,
        label: 'job_id',
        results: BACKUP_RESULTS,
      })
    },
    backups_in_progress: ({ inside }: Seen) => one(inside.vitals.tally.running.size),
    verifies_total: ({ inside }: Seen) => {
      const names = inside.world().desired.targets.map(({ id }) => id)
      return counted(inside.vitals.tally.verifies, { names, label: 'target', results: RESULTS })
    },
    verify_last_successful: verified(({ isWell }) => Number(isWell)),
    verify_last_timestamp_seconds: verified(({ at }) => at / 1000),
    inventory_last_timestamp_seconds: ({ inside }: Seen) =>
      seconds(inside.vitals.inventory()?.at ?? null),
    target_up: targetsUp,
    drift: drifted,
    unprotected: ({ inside }: Seen) => {
      const open = inside.vitals.inventory()?.unprotected ?? null
      return open === null ? [] : one(open)
    },
    notifications_total: ({ inside }: Seen) => {
      const names = inside.world().desired.channels.map(({ id }) => id)
      const { notifications } = inside.vitals.tally
      return counted(notifications, { names, label: 'channel', results: RESULTS })
    },
    notifications_last_successful: notified(({ isWell }) => Number(isWell)),
    notifications_last_timestamp_seconds: notified(({ at }) => at / 1000),
  }
}

function one(value: number | boolean): readonly Sample[] {
  return [{ value: Number(value) }]
}

function seconds(millis: number | null): readonly Sample[] {
  return millis === null ? [] : one(millis / 1000)
}

function inSeconds(millis: number | null | undefined): number | null {
  return millis === null || millis === undefined ? null : millis / 1000
}

type Redis = Seen['inside']['vitals']['tally']['redis']

function ofRedis({ inside }: Seen, read: (redis: Redis) => number | boolean): readonly Sample[] {
  return inside.world().desired.redis === null ? [] : one(read(inside.vitals.tally.redis))
}

function perJob(read: (job: JobSeen) => number | null): Reading {
  return ({ jobs }) =>
    jobs.flatMap((seen) => {
      const value = read(seen)
      return value === null ? [] : [{ value, labels: { job_id: seen.job.id } }]
    })
}

/** Of what is declared: nobody will ever verify again what went from the file. */
function verified(read: (outcome: Outcome) => number): Reading {
  return ({ inside }) => {
    const { jobs, targets } = inside.world().desired
    return jobs.flatMap(({ id: job }) =>
      targets.flatMap(({ id: target }) => {
        const outcome = inside.vitals.tally.verified.get(job)?.get(target)
        return outcome ? [{ value: read(outcome), labels: { job_id: job, target } }] : []
      }),
    )
  }
}

function notified(read: (outcome: Outcome) => number): Reading {
  return ({ inside }) =>
    inside.world().desired.channels.flatMap(({ id: channel }) => {
      const outcome = inside.vitals.tally.channels.get(channel)
      return outcome ? [{ value: read(outcome), labels: { channel } }] : []
    })
}

interface Counting {
  /** Told with 0 before anything happened, so that the first of it is an increase. */
  readonly names: readonly string[]
  readonly label: string
  readonly results: readonly string[]
}

function counted(counts: Counts, { names, label, results }: Counting): readonly Sample[] {
  return names.flatMap((name) =>
    results.map((result) => ({
      value: counts.get(name)?.get(result) ?? 0,
      labels: { [label]: name, result },
    })),
  )
}

function targetsUp({ inside }: Seen): readonly Sample[] {
  const inventory = inside.vitals.inventory()
  return inside.world().desired.targets.flatMap(({ id }) => {
    const seen = inventory?.targets.get(id)
    return seen ? [{ value: Number(seen.error === null), labels: { target: id } }] : []
  })
}

function drifted({ inside }: Seen): readonly Sample[] {
  const inventory = inside.vitals.inventory()
  if (inventory === null) return []
  return [...DRIFT].map((kind) => ({ value: inventory.drift[kind] ?? 0, labels: { kind } }))
}

function seenInstances({ fleet }: Seen): readonly Sample[] {
  if (fleet === null) return []
  const daemons = fleet.instances.filter(({ kind, isAlive }) => kind === 'daemon' && isAlive)
  return one(Math.max(1, daemons.length))
}

function skew({ inside, fleet }: Seen): readonly Sample[] {
  const own = fleet?.instances.find(({ id }) => id === inside.world().instance)
  return own ? one(own.skew / 1000) : []
}

function paused({ fleet, jobs }: Seen): readonly Sample[] {
  const subjects = new Set<string>(fleet?.pauses.map(({ subject }) => subject))
  return jobs
    .filter(({ job }) => subjects.has('*') || subjects.has(job.id))
    .map(({ job }) => ({ value: 1, labels: { job_id: job.id } }))
}
