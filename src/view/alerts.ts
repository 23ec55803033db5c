import type { MetricName } from '../core/metrics.ts'
import type { Desired } from '../core/model.ts'

/** A file of alerting rules, as Prometheus reads it. */
export interface AlertRules {
  readonly groups: readonly { readonly name: string; readonly rules: readonly AlertRule[] }[]
}

export interface AlertRule {
  readonly alert: string
  readonly expr: string
  readonly for: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

/**
 * The rules that fit this config. What differs from job to job stands in metrics, so that a new job
 * needs no new rule. Each instance tells what it sees, and the newest word counts; every alert ends
 * by itself when what it is about does.
 */
export function alertRules(desired: Desired): AlertRules {
  const rules = [
    ...instanceRules(desired),
    ...(desired.jobs.length > 0 ? jobRules() : []),
    ...(desired.targets.length > 0 ? targetRules() : []),
    ...(desired.channels.length > 0 ? [notificationsFail()] : []),
  ]
  return { groups: [{ name: `holdfast-${desired.deployment}`, rules }] }
}

/** Written by its short name, so that a metric that is not there does not compile. */
function m(name: MetricName): string {
  return `holdfast_${name}`
}

function rule(
  alert: string,
  [severity, pending]: readonly ['critical' | 'warning', string],
  expr: string,
  [summary, description]: readonly [string, string],
): AlertRule {
  const annotations = { summary, description }
  return { alert, expr, for: pending, labels: { severity }, annotations }
}

function instanceRules({ instances, redis }: Desired): readonly AlertRule[] {
  const few = `max(${m('instances_seen')}) < max(${m('instances_expected')})`
  return [
    rule('HoldfastDown', ['critical', '5m'], `absent(${m('replica_info')})`, [
      'no Holdfast is scraped',
      'Nothing is backed up. Look at the daemons, and at the scrape of Prometheus.',
    ]),
    ...(instances > 1
      ? [
          rule('HoldfastReplicasMissing', ['warning', '5m'], few, [
            'instances of Holdfast are missing',
            '{{ $value }} live, fewer than `instances` declares. The others do their work meanwhile.',
          ]),
        ]
      : []),
    rule('HoldfastNotReady', ['warning', '15m'], `${m('ready')} == 0`, [
      'Holdfast on {{ $labels.instance }} takes no slots',
      'It starts, drains, or cannot reach its state: /readyz tells which.',
    ]),
    ...(redis === null
      ? []
      : [
          rule('HoldfastRedisAway', ['warning', '10m'], `${m('redis_up')} == 0`, [
            'Holdfast on {{ $labels.instance }} does not reach Redis',
            'Backups go on by the database alone.',
          ]),
        ]),
    rule(
      'HoldfastConfigRejected',
      ['warning', '5m'],
      `${m('config_last_reload_successful')} == 0`,
      [
        'Holdfast on {{ $labels.instance }} does not take its config',
        'The last good one keeps running. `holdfast validate` tells why.',
      ],
    ),
    rule('HoldfastRestoreVariableSet', ['critical', '10m'], `${m('restore_variable_set')} == 1`, [
      'a restore variable is still set for Holdfast on {{ $labels.instance }}',
      'Each restart applies the same backup again: remove it from the environment now.',
    ]),
    rule('HoldfastClockSkew', ['warning', '5m'], `abs(${m('clock_skew_seconds')}) > 5`, [
      'the clock of Holdfast on {{ $labels.instance }} is off by {{ $value }} s',
      'Slots and retention go by clocks: set this one, or that of the database.',
    ]),
  ]
}

/** Of instances that see the same thing at different times, what was seen last. */
function latest(name: MetricName, time: MetricName, labels: readonly string[]): string {
  const by = labels.join(', ')
  const same = ['job', 'instance', ...labels].join(', ')
  const newest = `${m(time)} == on (${by}) group_left () max by (${by}) (${m(time)})`
  return `${m(name)} and on (${same}) (${newest})`
}

/** The same for what the inventories see. */
function inventoried(name: MetricName): string {
  return latest(name, 'inventory_last_timestamp_seconds', [])
}

/** Half an interval more than was asked for, and the hour that a long backup may take. */
const GRACE = 3600

function jobRules(): readonly AlertRule[] {
  const newest = (name: MetricName) => `max by (job_id) (${m(name)})`
  const since = newest('job_waiting_since_timestamp_seconds')
  const allowed = `(${newest('job_rpo_seconds')} or ${newest('job_expected_interval_seconds')} * 1.5 + ${GRACE})`
  const failing = `max by (job_id) (${latest('job_sources_failing', 'job_last_attempt_timestamp_seconds', ['job_id'])})`
  const unpaused = `unless on (job_id) ${newest('job_paused')} == 1`
  return [
    rule(
      'HoldfastBackupOverdue',
      ['critical', '5m'],
      `(time() - ${since} > on (job_id) ${allowed}) ${unpaused}`,
      [
        'job {{ $labels.job_id }} has had no success for {{ $value | humanizeDuration }}',
        'That is longer than its rpo, or than one and a half of its intervals and an hour. See `holdfast status`.',
      ],
    ),
    rule('HoldfastBackupFailing', ['warning', '15m'], `(${failing} > 0) ${unpaused}`, [
      'the newest backup of job {{ $labels.job_id }} failed',
      'Of {{ $value }} sources. It ends with the next success. See `holdfast backup list --all`.',
    ]),
  ]
}

function targetRules(): readonly AlertRule[] {
  const verified = latest('verify_last_successful', 'verify_last_timestamp_seconds', [
    'job_id',
    'target',
  ])
  return [
    rule(
      'HoldfastTargetDown',
      ['critical', '10m'],
      `min by (target) (${inventoried('target_up')}) == 0`,
      [
        'target {{ $labels.target }} cannot be looked at',
        'Nothing is deleted from it meanwhile. See `holdfast target test`.',
      ],
    ),
    rule('HoldfastVerifyFailed', ['critical', '1m'], `min by (job_id, target) (${verified}) == 0`, [
      'a copy of job {{ $labels.job_id }} on target {{ $labels.target }} is damaged or cannot be read',
      'It ends with the next verify that is well. See `holdfast backup list`.',
    ]),
    rule('HoldfastDrift', ['warning', '3h'], `max by (kind) (${inventoried('drift')}) > 0`, [
      'the targets differ from the history: {{ $value }} {{ $labels.kind }}',
      'It did not go away by itself. See `holdfast plan`.',
    ]),
  ]
}

function notificationsFail(): AlertRule {
  const time = 'notifications_last_timestamp_seconds'
  const tried = latest('notifications_last_successful', time, ['channel'])
  return rule(
    'HoldfastNotificationsFailing',
    ['warning', '30m'],
    `min by (channel) (${tried}) == 0`,
    ['notifications by {{ $labels.channel }} do not get through', 'They are tried for a day.'],
  )
}
