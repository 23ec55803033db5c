import { spawnSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { metricsReference } from '../../scripts/metrics-reference.ts'
import { METRICS } from '../../src/core/metrics.ts'
import { openReceiver } from '../notify/receiver.ts'
import { poll, startDaemon } from '../support/daemon.ts'
import { makeWorkspace, type Workspace } from '../support/holdfast.ts'
import { ask, samplesOf } from './ask.ts'

const socketOf = (work: Workspace) => work.at('state', 'holdfast.sock')
const OPEN = 'application/openmetrics-text; version=1.0.0'

async function scrape(work: Workspace): Promise<string> {
  const { status, text } = await ask(socketOf(work), '/metrics')
  expect(status).toBe(200)
  return text
}

/** What promtool has to say of a page of metrics; nothing when it is sound. */
function lint(text: string): string {
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: text })
  return status === 0 ? '' : `${stdout}${stderr}`
}

/** A good source that grows, a bad one, a job that is never run, a channel, and a target that is away. */
async function makeScene(hook: string): Promise<Workspace> {
  const work = await makeWorkspace()
  await work.write({ 'live/a': 'a', plug: 'a file, where a folder is to be' })
  const good = {
    first_run: 'now',
    schedule: '0 2 * * *',
    objectives: { rpo: '26h' },
    targets: ['here'],
    source: { type: 'directory', path: 'live' },
  }
  const source = {
    type: 'command',
    name: 'bad',
    backup: ['sh', '-c', 'test -e mended && echo well'],
    cwd: '.',
  }
  const bad = { first_run: 'now', targets: ['here'], source, notify: ['ops'] }
  const rare = { schedule: '0 3 1 * *', targets: ['here'], source: { ...source, name: 'rare' } }
  const config = {
    data_dir: 'state',
    targets: { here: { type: 'local', path: 'target' }, gone: { type: 'local', path: 'plug' } },
    notify: { ops: { type: 'webhook', url: hook, on: ['failure'] } },
    jobs: { good, bad: { ...bad, retry: { attempts: 1, within: '1h' } }, rare },
  }
  await work.write({ 'holdfast.yml': JSON.stringify(config) })
  return work
}

describe('/metrics', () => {
  it('tells of what was done, what failed and what is away, and is right after a restart', async () => {
    await using receiver = await openReceiver()
    await using work = await makeScene(receiver.origin)
    const began = Date.now() / 1000
    let before: string
    {
      await using daemon = startDaemon(work)
      const done = await daemon.until('backup.done')
      await daemon.until('backup.failed')
      await daemon.until('verify.done')
      await daemon.until('drift.found', { fits: ({ target }) => target === 'gone' })
      const told = async () => samplesOf(await scrape(work), 'notifications_last_successful')
      await poll(async () => (await told())['channel=ops'] === 1, 'the notification')
      before = await scrape(work)
      expect(lint(before)).toBe('')
      const of = (name: string) => samplesOf(before, name)
      expect(of('ready')).toEqual({ '': 1 })
      expect(of('state_up')).toEqual({ '': 1 })
      expect(of('state_round_trip_seconds')['']).toBeLessThan(1)
      expect(of('instances_expected')).toEqual({ '': 1 })
      expect(of('instances_seen')).toEqual({ '': 1 })
      expect(of('redis_up')).toEqual({})
      expect(of('backups_total')).toMatchObject({
        'job_id=good result=success': 1,
        'job_id=good result=failed': 0,
        'job_id=bad result=success': 0,
        'job_id=bad result=failed': 1,
        'job_id=rare result=success': 0,
      })
      expect(of('backups_in_progress')).toEqual({ '': 0 })
      expect(of('job_last_success_timestamp_seconds')).toEqual({
        'job_id=good': expect.any(Number),
      })
      expect(of('job_last_success_timestamp_seconds')['job_id=good']).toBeGreaterThan(began)
      expect(Object.keys(of('job_last_attempt_timestamp_seconds')).sort()).toEqual([
        'job_id=bad',
        'job_id=good',
      ])
      expect(of('job_sources_failing')).toEqual({
        'job_id=good': 0,
        'job_id=bad': 1,
        'job_id=rare': 0,
      })
      expect(of('job_last_success_bytes')).toEqual({ 'job_id=good': done.bytes })
      expect(of('job_expected_interval_seconds')).toEqual({
        'job_id=good': 86_400,
        'job_id=rare': 31 * 86_400,
      })
      expect(of('job_rpo_seconds')).toEqual({ 'job_id=good': 26 * 3600 })
      expect(of('verifies_total')).toMatchObject({ 'target=here result=success': 1 })
      expect(of('verify_last_successful')).toEqual({ 'job_id=good target=here': 1 })
      expect(of('target_up')).toEqual({ 'target=here': 1, 'target=gone': 0 })
      expect(of('notifications_total')).toMatchObject({
        'channel=ops result=success': 1,
        'channel=ops result=failed': 0,
      })
      expect(of('config_last_reload_successful')).toEqual({ '': 1 })
      expect(of('restore_variable_set')).toEqual({ '': 0 })
      await daemon.stop()
    }
    await using daemon = startDaemon(work)
    await daemon.until('daemon.started')
    const after = await scrape(work)
    const lasting = [
      'job_last_success_timestamp_seconds',
      'job_last_attempt_timestamp_seconds',
      'job_sources_failing',
      'job_last_success_bytes',
      'job_last_attempt_duration_seconds',
      'job_declared_timestamp_seconds',
      'job_waiting_since_timestamp_seconds',
      'verify_last_successful',
    ]
    for (const name of lasting) {
      expect([name, samplesOf(after, name)]).toEqual([name, samplesOf(before, name)])
    }

    // A command beside the daemon mends what it saw fail.
    await work.write({ mended: '' })
    await work.ok(['backup', 'create', 'bad'], {})
    daemon.signal('SIGHUP')
    const failing = async () => samplesOf(await scrape(work), 'job_sources_failing')['job_id=bad']
    await poll(async () => (await failing()) === 0, 'the end of the failure')
    const text = await scrape(work)
    expect(samplesOf(text, 'job_last_success_timestamp_seconds')['job_id=bad']).toBeGreaterThan(
      began,
    )
  })

  it('tells how long a new source of an old job waits from when that was declared, also after a restart', async () => {
    await using work = await makeWorkspace()
    await work.write({ 'live/a': 'a' })
    const source = (name: string) => ({ type: 'directory', name, path: 'live' })
    const write = async (...names: readonly string[]) => {
      const old = { first_run: 'now', schedule: '@yearly', sources: names.map(source) }
      const targets = { here: { type: 'local', path: 'target' } }
      const config = { data_dir: 'state', targets, jobs: { old } }
      await work.write({ 'holdfast.yml': JSON.stringify(config) })
    }
    const told = async () => {
      const text = await scrape(work)
      const of = (name: string) => samplesOf(text, `${name}_timestamp_seconds`)['job_id=old'] ?? 0
      return { declared: of('job_declared'), waiting: of('job_waiting_since') }
    }
    await write('one')
    let edited: number
    let before: number
    {
      await using daemon = startDaemon(work)
      await daemon.until('backup.done')
      await poll(async () => (await told()).waiting > (await told()).declared, 'the success')
      const first = await told()
      edited = Date.now() / 1000
      await write('one', 'two')
      await daemon.until('config.reloaded')
      expect(await told()).toEqual(first)
      const from = daemon.lines.length
      await write('two')
      await daemon.until('config.reloaded', { from })
      const { declared, waiting } = await told()
      expect(declared).toBe(first.declared)
      expect(waiting).toBeGreaterThanOrEqual(edited)
      before = waiting
      await daemon.stop()
    }
    await using daemon = startDaemon(work)
    await daemon.until('daemon.started')
    expect((await told()).waiting).toBe(before)
  })

  it('speaks OpenMetrics to who asks for it, and the form of Prometheus to others', async () => {
    await using work = await makeWorkspace('data_dir: ./state')
    await using daemon = startDaemon(work)
    await daemon.until('daemon.started')
    const open = await ask(socketOf(work), '/metrics', { headers: { accept: `${OPEN},*/*;q=0.1` } })
    expect(open.headers['content-type']).toMatch(/^application\/openmetrics-text; version=1/)
    expect(open.text.endsWith('# EOF\n')).toBe(true)
    const plain = await ask(socketOf(work), '/metrics')
    expect(plain.headers['content-type']).toMatch(/^text\/plain; version=0.0.4/)
    expect(plain.text).not.toContain('# EOF')
  })

  it('tells of a config that is rejected, and of its end', async () => {
    await using work = await makeWorkspace('data_dir: ./state')
    await using daemon = startDaemon(work)
    await daemon.until('daemon.started')
    const taken = async () => samplesOf(await scrape(work), 'config_last_reload_successful')['']
    expect(await taken()).toBe(1)
    await work.write({ 'holdfast.yml': 'nonsense: 1' })
    await daemon.until('config.rejected')
    expect(await taken()).toBe(0)
    await work.write({ 'holdfast.yml': 'data_dir: ./state' })
    await daemon.until('config.reloaded')
    expect(await taken()).toBe(1)
  })
})

describe('the reference of metrics', () => {
  it('is made from the table, in words that lint well', async () => {
    const page = new URL('../../docs/reference/metrics.md', import.meta.url)
    expect(await readFile(page, 'utf8')).toBe(metricsReference())
    const counters = Object.entries(METRICS).filter(([, { kind }]) => kind === 'counter')
    expect(counters.every(([name]) => name.endsWith('_total'))).toBe(true)
  })
})
