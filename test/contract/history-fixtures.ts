import type { Backup, Copy, Instant, JobId, Restore, Run } from '../../src/core/model.ts'

/** Noon of a day in November 2026, and minutes after it. */
export function minute(minutes: number): Instant {
  return (Date.UTC(2026, 10, 20, 12) + minutes * 60_000) as Instant
}

/** A run of `job` that began at a minute. */
export function runOf(id: string, job: string, at: number, more: Partial<Run> = {}): Run {
  return {
    id: id as Run['id'],
    job: job as JobId,
    name: null,
    slot: minute(at),
    trigger: 'schedule',
    status: 'running',
    instance: 'one' as Run['instance'],
    startedAt: minute(at),
    finishedAt: null,
    ...more,
  }
}

/** A backup that belongs to `run`, of its source `data`. */
export function backupOf(run: Run, more: Partial<Backup> = {}): Backup {
  const source = more.source ?? 'data'
  return {
    id: `${run.id}-${source}` as Backup['id'],
    run: run.id,
    runName: run.name,
    job: run.job,
    organization: null,
    app: null,
    source,
    sourceKind: 'directory',
    group: `system/${run.job}/${source}` as Backup['group'],
    slot: run.slot,
    attempt: 1,
    trigger: run.trigger,
    status: 'running',
    instance: run.instance,
    fence: 1,
    startedAt: run.startedAt,
    finishedAt: null,
    storedBytes: null,
    contentBytes: null,
    error: null,
    warnings: [],
    ...more,
  }
}

/** A complete copy of `backup` on `target`. */
export function copyOf(backup: Backup, target: string, more: Partial<Copy> = {}): Copy {
  return {
    backup: backup.id,
    target: target as Copy['target'],
    group: backup.group,
    key: `${backup.group}/${backup.id}.tar.zst.age`,
    status: 'complete',
    bytes: (2 ** 40) as Copy['bytes'],
    sha256: 'a'.repeat(64),
    readback: 'size',
    takenAt: backup.startedAt,
    verifiedAt: null,
    verify: 'never',
    error: null,
    retained: null,
    ...more,
  }
}

/** A restore in place that is under way. */
export function restoreOf(id: string, more: Partial<Restore> = {}): Restore {
  return {
    id: id as Restore['id'],
    reference: 'shop@latest',
    job: 'shop' as JobId,
    source: 'data',
    group: 'system/shop/data' as Restore['group'],
    backup: 'r1-data' as Restore['backup'],
    target: 'nas' as Restore['target'],
    key: 'system/shop/data/1.tar.zst',
    sha256: 'b'.repeat(64),
    to: '/srv/data',
    inPlace: true,
    status: 'running',
    by: 'command',
    instance: 'one' as Restore['instance'],
    home: '1m7zj88s8kcbdexwh3',
    previous: null,
    startedAt: minute(0),
    finishedAt: null,
    error: null,
    released: false,
    ...more,
  }
}
