import { describe, expect, it } from 'vitest'
import type { Occasion, Run } from '../../src/core/model.ts'
import {
  decideOther,
  decideRun,
  decideStart,
  type JobState,
  parseJobState,
  type Subscriber,
} from '../../src/notify/decide.ts'
import type { OtherNotification } from '../../src/notify/notification.ts'
import { runNotification } from '../../src/notify/run-notification.ts'
import { copyOf } from '../contract/history-fixtures.ts'
import { newsOf } from './news.ts'

const noTarget = { rule: 'no-target', why: 'no target is declared' } as const

describe('a run that ended', () => {
  const table: readonly [JobState, Run['status'], readonly Occasion[], JobState, string | null][] =
    [
      ['ok', 'failed', ['failure'], 'failing', 'backup.failed'],
      ['failing', 'failed', ['failure'], 'failing', 'backup.failed'],
      ['ok', 'partial', ['failure'], 'failing', 'backup.failed'],
      ['ok', 'failed', ['success', 'recovery'], 'failing', null],
      ['ok', 'success', ['failure'], 'ok', null],
      ['ok', 'success', ['failure', 'recovery'], 'ok', null],
      ['ok', 'success', ['success'], 'ok', 'backup.success'],
      ['failing', 'success', ['failure'], 'ok', null],
      ['failing', 'success', ['recovery'], 'ok', 'backup.recovered'],
      ['failing', 'success', ['success'], 'ok', 'backup.success'],
      ['failing', 'success', ['recovery', 'success'], 'ok', 'backup.recovered'],
      ['ok', 'running', ['failure', 'success', 'recovery'], 'ok', null],
      ['failing', 'skipped', ['failure', 'success', 'recovery'], 'failing', null],
      ['ok', 'skipped', ['failure', 'success', 'recovery'], 'ok', null],
    ]
  it.each(table)('%s, then %s, told on %j: is %s and sends %s', (...row) => {
    const [before, status, on, after, type] = row
    const verdict = decideRun(before, newsOf(status), [{ channel: 'ops', on, heartbeat: false }])
    expect(verdict.state).toBe(after)
    expect(verdict.messages.map(({ notification }) => notification.type)).toEqual(
      type ? [type] : [],
    )
  })

  it('without any target is a failure, told once', () => {
    const news = newsOf('skipped', { skip: noTarget })
    const first = decideRun('ok', news, [to('ops', 'failure')])
    expect(first.state).toBe('failing')
    expect(first.messages).toMatchObject([
      {
        channel: 'ops',
        notification: {
          type: 'backup.failed',
          title: 'Backup failed: The shop',
          message: 'Nothing was backed up: no target is declared.',
        },
      },
    ])
    expect(decideRun(first.state, news, [to('ops', 'failure')]).messages).toEqual([])
  })

  it('tells each subscriber what it asked for, under an id of its own', () => {
    const { messages } = decideRun('failing', newsOf('success'), [
      to('ops', 'failure'),
      to('chat', 'recovery'),
      { channel: 'watch', on: ['failure', 'success'], heartbeat: true },
    ])
    expect(messages.map(({ id }) => id)).toEqual([
      'run-1 backup.recovered chat',
      'run-1 backup.success watch',
    ])
  })
})

describe('a run that begins', () => {
  it('is told to heartbeats that will hear of its end', () => {
    const messages = decideStart(newsOf('running'), [
      to('ops', 'failure', 'success', 'recovery'),
      { channel: 'watch', on: ['failure', 'success'], heartbeat: true },
      { channel: 'alarm', on: ['failure'], heartbeat: true },
    ])
    expect(messages).toMatchObject([
      { channel: 'watch', notification: { type: 'backup.started', status: 'running' } },
    ])
  })
})

describe('other news', () => {
  it('go to those who asked for the occasion, and to no heartbeat', () => {
    const notification: OtherNotification = {
      type: 'verify.failed',
      title: 'Verify failed: The shop',
      message: 'The archive is damaged.',
      deployment: 'default',
      organization: null,
      jobId: 'shop',
      jobName: 'The shop',
      source: 'data',
      target: 'nas',
      backupId: 'b1',
      key: 'system/shop/data/1.tar.zst',
      error: 'sha256 differs',
      timestamp: '2026-11-20T12:00:00.000Z',
    }
    const messages = decideOther('failure', notification, [
      to('ops', 'failure'),
      to('chat', 'success'),
      { channel: 'watch', on: ['failure', 'success'], heartbeat: true },
    ])
    expect(messages).toEqual([
      {
        id: '2026-11-20T12:00:00.000Z verify.failed shop data nas system/shop/data/1.tar.zst ops',
        channel: 'ops',
        notification,
      },
    ])
  })
})

describe('the words of a run', () => {
  it('count, name and quote what failed', () => {
    expect(runNotification('backup.failed', newsOf('failed'))).toMatchObject({
      title: 'Backup failed: The shop',
      message: '1 of 2 backup(s) failed for: data',
      failedCount: 1,
      totalCount: 2,
      totalSize: 24,
      errors: 'data: disk on fire',
      jobId: 'shop',
      jobName: 'The shop',
      runId: 'run-1',
      slot: '2026-11-20T12:00:00.000Z',
      timestamp: '2026-11-20T12:02:00.000Z',
      sources: [
        { source: 'data', status: 'failed', error: 'disk on fire', targets: [] },
        { source: 'db', status: 'success', targets: [{ target: 'nas', status: 'complete' }] },
      ],
    })
  })

  it('name the targets that a run did not reach', () => {
    const news = newsOf('partial')
    const copies = news.backups.map((backup) =>
      copyOf(backup, 'offsite', { status: 'failed', error: 'refused' }),
    )
    expect(runNotification('backup.failed', { ...news, copies })).toMatchObject({
      title: 'Backup incomplete: The shop',
      message: '2 backup(s) completed, but not on: offsite',
      errors: 'data on offsite: refused; db on offsite: refused',
      failedCount: 0,
    })
  })

  it('tell of a success, and of one after a failure', () => {
    expect(runNotification('backup.success', newsOf('success'))).toMatchObject({
      title: 'Backup successful: The shop',
      message: '2 backup(s) completed for: data, db',
      totalSize: 1024,
      errors: null,
    })
    expect(runNotification('backup.recovered', newsOf('success')).title).toBe(
      'Backup works again: The shop',
    )
  })
})

describe('the state of a job', () => {
  it('is ok until it is known to fail', () => {
    expect([null, '', 'ok', 'failing', 'nonsense'].map(parseJobState)).toEqual([
      'ok',
      'ok',
      'ok',
      'failing',
      'ok',
    ])
  })
})

function to(channel: string, ...on: Occasion[]): Subscriber {
  return { channel, on, heartbeat: false }
}
