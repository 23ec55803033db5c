import { execFile } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { METRICS } from '../../src/core/metrics.ts'
import type { AlertRules } from '../../src/view/alerts.ts'
import { makeWorkspace } from '../support/holdfast.ts'

const EXAMPLE = join(import.meta.dirname, '..', '..', 'examples', 'monitoring')

/** A config that every rule fits. */
const WHOLE = JSON.stringify({
  data_dir: 'state',
  instances: 3,
  state: 'postgres://someone@db.example/holdfast',
  redis: 'redis://cache.example',
  targets: { shelf: { type: 's3', bucket: 'b', region: 'x' } },
  notify: { ops: { type: 'webhook', url: 'https://hook.example' } },
  jobs: { files: { schedule: '@daily', source: { type: 'directory', path: 'live' } } },
})

async function rulesOf(
  config: string,
): Promise<{ readonly text: string; readonly rules: AlertRules }> {
  await using work = await makeWorkspace(config)
  const { stdout } = await work.ok(['config', 'alerts'])
  return { text: stdout, rules: parse(stdout) }
}

/** Runs promtool in a folder of files; resolves with all that it said, throws unless it is content. */
async function promtool(args: readonly string[], files: Readonly<Record<string, string>>) {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-alerts-'))
  try {
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
    return await new Promise<string>((resolve, reject) => {
      execFile('promtool', [...args], { cwd: folder }, (error, stdout, stderr) => {
        if (error) reject(new Error(`${stdout}${stderr}`))
        else resolve(`${stdout}${stderr}`)
      })
    })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

interface Series {
  readonly series: string
  readonly values: string
}

/** What an alert is about: fires at minute `fires` with these labels, and is over at minute `clears`. */
interface Case {
  readonly alert: string
  readonly series: readonly Series[]
  readonly fires: number
  readonly clears: number
  readonly labels?: Readonly<Record<string, string>>
}

const A = 'job="holdfast",instance="a"'
const B = 'job="holdfast",instance="b"'
const on = (labels: string, name: string, values: string): Series => ({
  series: `holdfast_${name}{${labels}}`,
  values,
})
const here = { job: 'holdfast', instance: 'a' }
/** Wrong for an hour, then right for another. */
const WRONG = '0x60 1x60'
const RIGHT = '1x60 0x60'

/** Inventories of two instances: the newer word is that of `b`, then that of `a`. */
const turns = [
  on(A, 'inventory_last_timestamp_seconds', '0x600 30000x600'),
  on(B, 'inventory_last_timestamp_seconds', '100x1200'),
]

const CASES: readonly Case[] = [
  {
    alert: 'HoldfastDown',
    series: [on(A, 'replica_info', '_x60 1x60')],
    fires: 30,
    clears: 70,
    labels: {},
  },
  {
    alert: 'HoldfastReplicasMissing',
    series: [
      on(A, 'instances_seen', '2x60 3x60'),
      on(B, 'instances_seen', '2x60 3x60'),
      on(A, 'instances_expected', '3x120'),
    ],
    fires: 30,
    clears: 70,
    labels: {},
  },
  {
    alert: 'HoldfastNotReady',
    series: [on(A, 'ready', WRONG)],
    fires: 30,
    clears: 70,
    labels: here,
  },
  {
    alert: 'HoldfastRedisAway',
    series: [on(A, 'redis_up', WRONG)],
    fires: 30,
    clears: 70,
    labels: here,
  },
  {
    alert: 'HoldfastConfigRejected',
    series: [on(A, 'config_last_reload_successful', WRONG)],
    fires: 30,
    clears: 70,
    labels: here,
  },
  {
    alert: 'HoldfastRestoreVariableSet',
    series: [on(A, 'restore_variable_set', RIGHT)],
    fires: 30,
    clears: 70,
    labels: here,
  },
  {
    alert: 'HoldfastClockSkew',
    series: [on(A, 'clock_skew_seconds', '-7x60 1x60')],
    fires: 30,
    clears: 70,
    labels: here,
  },
  {
    // Every hour, last at 0, so that 1.5 h and an hour of grace are over at minute 150; then again.
    alert: 'HoldfastBackupOverdue',
    series: [
      on(`${A},job_id="files"`, 'job_waiting_since_timestamp_seconds', '0x200 12000x100'),
      on(`${B},job_id="files"`, 'job_waiting_since_timestamp_seconds', '0x300'),
      on(`${A},job_id="files"`, 'job_expected_interval_seconds', '3600x300'),
    ],
    fires: 160,
    clears: 210,
    labels: { job_id: 'files' },
  },
  {
    // Never a success since it was declared; its objective comes before its interval.
    alert: 'HoldfastBackupOverdue',
    series: [
      on(`${A},job_id="new"`, 'job_waiting_since_timestamp_seconds', '0x60 3600x20'),
      on(`${A},job_id="new"`, 'job_expected_interval_seconds', '86400x300'),
      on(`${A},job_id="new"`, 'job_rpo_seconds', '1800x300'),
    ],
    fires: 40,
    clears: 70,
    labels: { job_id: 'new' },
  },
  {
    // Who pauses a job is not told that it rests.
    alert: 'HoldfastBackupOverdue',
    series: [
      on(`${A},job_id="files"`, 'job_waiting_since_timestamp_seconds', '0x600'),
      on(`${A},job_id="files"`, 'job_expected_interval_seconds', '3600x600'),
      on(`${A},job_id="files"`, 'job_paused', '_x300 1x300'),
    ],
    fires: 200,
    clears: 310,
    labels: { job_id: 'files' },
  },
  {
    alert: 'HoldfastBackupFailing',
    // The other one drains, and hears of nothing any more.
    series: [
      on(`${A},job_id="files"`, 'job_sources_failing', '2x60 0x60'),
      on(`${A},job_id="files"`, 'job_last_attempt_timestamp_seconds', '100x60 4000x60'),
      on(`${B},job_id="files"`, 'job_sources_failing', '2x120'),
      on(`${B},job_id="files"`, 'job_last_attempt_timestamp_seconds', '100x120'),
    ],
    fires: 30,
    clears: 70,
    labels: { job_id: 'files' },
  },
  {
    alert: 'HoldfastTargetDown',
    series: [
      ...turns,
      on(`${A},target="shelf"`, 'target_up', '1x1200'),
      on(`${B},target="shelf"`, 'target_up', '0x1200'),
    ],
    fires: 60,
    clears: 620,
    labels: { target: 'shelf' },
  },
  {
    alert: 'HoldfastDrift',
    series: [
      ...turns,
      on(`${A},kind="missing"`, 'drift', '0x1200'),
      on(`${B},kind="missing"`, 'drift', '4x1200'),
    ],
    fires: 300,
    clears: 620,
    labels: { kind: 'missing' },
  },
  {
    alert: 'HoldfastVerifyFailed',
    series: [
      on(`${A},job_id="files",target="shelf"`, 'verify_last_successful', '0x120'),
      on(`${A},job_id="files",target="shelf"`, 'verify_last_timestamp_seconds', '100x120'),
      on(`${B},job_id="files",target="shelf"`, 'verify_last_successful', '1x120'),
      on(`${B},job_id="files",target="shelf"`, 'verify_last_timestamp_seconds', '50x60 3600x60'),
    ],
    fires: 30,
    clears: 70,
    labels: { job_id: 'files', target: 'shelf' },
  },
  {
    alert: 'HoldfastNotificationsFailing',
    series: [
      on(`${A},channel="ops"`, 'notifications_last_successful', '0x60 1x60'),
      on(`${A},channel="ops"`, 'notifications_last_timestamp_seconds', '100x60 3600x60'),
    ],
    fires: 45,
    clears: 70,
    labels: { channel: 'ops' },
  },
]

describe('holdfast config alerts', () => {
  it('gives rules that promtool takes, with every metric that they name in the table', async () => {
    const { text, rules } = await rulesOf(WHOLE)
    expect(await promtool(['check', 'rules', 'rules.yml'], { 'rules.yml': text })).toContain(
      'SUCCESS',
    )
    const names = rules.groups.flatMap((group) => group.rules.map(({ alert }) => alert))
    expect([...new Set(CASES.map(({ alert }) => alert))].sort()).toEqual(names.toSorted())
    expect(strangers(text)).toEqual([])
  })

  it('gives rules of which each fires, and clears when what it is about is over', async () => {
    const { text, rules } = await rulesOf(WHOLE)
    const severities = Object.fromEntries(
      rules.groups.flatMap((group) => group.rules.map(({ alert, labels }) => [alert, labels])),
    )
    const tests = CASES.map(({ alert, series, fires, clears, labels = {} }) => ({
      interval: '1m',
      input_series: series,
      // What annotations say is for people, and no law.
      promql_expr_test: [
        {
          expr: `count(ALERTS{alertname="${alert}",alertstate="firing"})`,
          eval_time: `${fires}m`,
          exp_samples: [{ labels: '{}', value: 1 }],
        },
        {
          expr: `ALERTS{alertname="${alert}",alertstate="firing"}`,
          eval_time: `${fires}m`,
          exp_samples: [
            {
              labels: labelsText({
                __name__: 'ALERTS',
                alertname: alert,
                alertstate: 'firing',
                ...severities[alert],
                ...labels,
              }),
              value: 1,
            },
          ],
        },
        {
          expr: `ALERTS{alertname="${alert}",alertstate="firing"}`,
          eval_time: `${clears}m`,
          exp_samples: [],
        },
      ],
    }))
    const file = { rule_files: ['rules.yml'], evaluation_interval: '1m', tests }
    const files = { 'rules.yml': text, 'test.yml': JSON.stringify(file) }
    expect(await promtool(['test', 'rules', 'test.yml'], files)).toContain('SUCCESS')
  })

  it('leaves out what a config has nothing of', async () => {
    const { rules } = await rulesOf('data_dir: ./state')
    const names = rules.groups.flatMap((group) => group.rules.map(({ alert }) => alert))
    expect(names).toContain('HoldfastDown')
    expect(names.filter((name) => /Replicas|Redis|Backup|Target|Notif/.test(name))).toEqual([])
  })
})

function labelsText(labels: Readonly<Record<string, string>>): string {
  const { __name__: name, ...rest } = labels
  const inner = Object.entries(rest).map(([key, value]) => `${key}="${value}"`)
  return `${name}{${inner.join(', ')}}`
}

/** Names of ours in a text that no metric has. */
function strangers(text: string): readonly string[] {
  const named = [...text.matchAll(/\bholdfast_([a-z_]+)/g)].map(([, name = '']) => name)
  expect(named.length).toBeGreaterThan(5)
  return named.filter((name) => !(name in METRICS))
}

/** Of a board of Grafana, as far as it matters here. */
interface Panel {
  readonly targets: readonly { readonly expr: string }[]
}

describe('examples/monitoring', () => {
  const read = (name: string) => readFileSync(join(EXAMPLE, name), 'utf8')

  it('holds the rules of the config that it names', async () => {
    const { text } = await rulesOf(
      readFileSync(join(EXAMPLE, '..', 'home-server', 'holdfast.yml'), 'utf8'),
    )
    expect(read('rules.yml')).toBe(text)
    expect(await promtool(['check', 'rules', 'rules.yml'], { 'rules.yml': text })).toContain(
      'SUCCESS',
    )
  })

  it('names only metrics that are there', () => {
    const files = globSync('*', { cwd: EXAMPLE }).filter((name) => /\.(yml|json)$/.test(name))
    expect(files.toSorted()).toEqual(['grafana.json', 'prometheus.yml', 'rules.yml'])
    expect(['grafana.json', 'rules.yml'].flatMap((name) => strangers(read(name)))).toEqual([])
  })

  it('has a config for Prometheus that promtool takes, and a board whose panels ask something', async () => {
    const files = {
      'prometheus.yml': read('prometheus.yml'),
      'rules.yml': read('rules.yml'),
      token: 'x',
    }
    expect(await promtool(['check', 'config', 'prometheus.yml'], files)).toContain('SUCCESS')
    const board = JSON.parse(read('grafana.json'))
    const ids = board.panels.map(({ id }: { id: number }) => id)
    expect(new Set(ids).size).toBe(ids.length)
    // As recording rules, so that promtool reads each.
    const asked = board.panels.flatMap(({ targets }: Panel) => targets.map(({ expr }) => expr))
    expect(asked.length).toBeGreaterThanOrEqual(board.panels.length)
    const rules = asked.map((expr: string, index: number) => ({ record: `panel_${index}`, expr }))
    const text = JSON.stringify({ groups: [{ name: 'board', rules }] })
    const said = await promtool(['check', 'rules', 'board.yml'], { 'board.yml': text })
    expect(said).toContain(`SUCCESS: ${asked.length} rules found`)
  })
})
