/** One metric, as its reference tells it. */
export interface Metric {
  readonly kind: 'gauge' | 'counter'
  readonly labels: readonly string[]
  readonly help: string
}

/**
 * All that `/metrics` tells, in its order; every name begins with `holdfast_`. A job is labelled
 * `job_id`: Prometheus itself puts `job` and `instance` on whatever it scrapes.
 */
export const METRICS = {
  replica_info: gauge('Is 1, with what runs.', 'version', 'name'),
  ready: gauge('Whether it takes slots, as `/readyz` tells.'),
  draining: gauge('Whether it was told to take no more slots.'),
  instances_expected: gauge('Daemons that `instances` declares.'),
  instances_seen: gauge('Daemons that live, as the state knows; at least this one.'),
  clock_skew_seconds: gauge(
    "How far this clock is ahead of the state's; absent where they are one machine.",
  ),
  state_up: gauge('Whether the state answers, or did within the last 30 seconds.'),
  state_round_trip_seconds: gauge(
    'How long the state took to answer a small question just now; absent when it did not.',
  ),
  redis_up: gauge('Whether Redis answers; absent without `redis`.'),
  redis_losses_total: counter(
    'Times that Redis was lost, by a failover or otherwise; absent without `redis`.',
  ),
  redis_failovers_total: counter(
    'Times that another server became the primary of Redis, as seen from here; absent without `redis`.',
  ),
  leases_held: gauge('Leases that this instance holds.', 'duty'),
  config_last_reload_successful: gauge('Whether the file as it is now is the one that runs.'),
  config_last_reload_success_timestamp_seconds: gauge('When the file was last read and taken.'),
  restore_variable_set: gauge('Whether a variable asks for a restore at each start.'),
  job_declared_timestamp_seconds: gauge('Since when slots of the job are owed.', 'job_id'),
  job_expected_interval_seconds: gauge(
    'The longest that its schedule goes without a slot; absent when disabled or on request only.',
    'job_id',
  ),
  job_rpo_seconds: gauge('Its objective `rpo`; absent without one.', 'job_id'),
  job_last_success_timestamp_seconds: gauge(
    'When the source of it that waits longest last succeeded; absent while one of them never did.',
    'job_id',
  ),
  job_waiting_since_timestamp_seconds: gauge(
    'Since when the source of it that waits longest for a success does so: since its last one, or since it was declared.',
    'job_id',
  ),
  job_last_attempt_timestamp_seconds: gauge(
    'When its newest attempt ended, well or not.',
    'job_id',
  ),
  job_sources_failing: gauge('Sources whose newest attempt failed.', 'job_id'),
  job_last_attempt_duration_seconds: gauge(
    'How long the newest attempts of its sources took together.',
    'job_id',
  ),
  job_last_success_bytes: gauge(
    'Stored bytes of the newest successes of its sources together, on one target.',
    'job_id',
  ),
  job_paused: gauge(
    'Is 1 for a job that is paused, alone or with all; absent for others.',
    'job_id',
  ),
  backups_total: counter(
    'Attempts of this instance that ended since it started: `success`, `failed`; attempts of dead instances that it found `abandoned`; slots that it `skipped`.',
    'job_id',
    'result',
  ),
  backups_in_progress: gauge('Attempts of this instance under way.'),
  verifies_total: counter(
    'Copies that this instance read to their end since it started: `success`, `failed`.',
    'target',
    'result',
  ),
  verify_last_successful: gauge(
    'Whether the newest verify of a copy of that job on that target was well; absent before one.',
    'job_id',
    'target',
  ),
  verify_last_timestamp_seconds: gauge('When that verify ended.', 'job_id', 'target'),
  inventory_last_timestamp_seconds: gauge(
    'When the newest inventory of this instance ended; absent before one.',
  ),
  target_up: gauge(
    'Whether the newest inventory of this instance could look at the target; absent before one.',
    'target',
  ),
  drift: gauge(
    'Differences between targets and history that the newest inventory of this instance found: `adopt`, `missing`, `debris`, `prune-blocked`.',
    'kind',
  ),
  unprotected: gauge(
    'Volumes, folders and databases that are seen, and neither protected nor ignored, as of the newest inventory; absent where nobody looks.',
  ),
  notifications_total: counter(
    'Tries of this instance to notify since it started: `success`, `failed`.',
    'channel',
    'result',
  ),
  notifications_last_successful: gauge(
    'Whether the newest try of this instance got through; absent before one.',
    'channel',
  ),
  notifications_last_timestamp_seconds: gauge('When that try was made.', 'channel'),
} as const satisfies Readonly<Record<string, Metric>>

export type MetricName = keyof typeof METRICS

function gauge(help: string, ...labels: readonly string[]): Metric {
  return { kind: 'gauge', labels, help }
}

function counter(help: string, ...labels: readonly string[]): Metric {
  return { kind: 'counter', labels, help }
}
