import type { Action } from '../core/action.ts'
import type { Report } from '../core/event.ts'
import type { Origin } from '../core/model.ts'
import { count } from '../lib/count.ts'
import { ConfigError, messageOf, reportOf } from '../lib/errors.ts'
import type { World } from '../observe/world.ts'

/** The events of a daemon's own life, each in one place. */
export function tellLoaded({ path, sha256, commit }: Origin, report: Report): void {
  report({
    event: 'config.loaded',
    level: 'info',
    message: `loaded ${path}`,
    detail: { sha256, commit },
  })
}

export function tellReloaded(message: string, { sha256 }: Origin, report: Report): void {
  report({ event: 'config.reloaded', level: 'info', message, detail: { sha256 } })
}

export function tellRejected(error: unknown, report: Report): void {
  report({
    event: 'config.rejected',
    level: 'error',
    message: `the config was changed and is not taken; the last good one keeps running: ${messageOf(error)}`,
    error: reportOf(error),
    detail: error instanceof ConfigError ? { faults: error.faults } : {},
  })
}

/** Nothing where nothing changed. */
export function tellApplied(changes: readonly Action[], { report }: World): void {
  if (changes.length === 0) return
  report({
    event: 'plan.made',
    level: 'info',
    message: `applied ${count(changes.length, 'change', 'changes')} of the config: ${changes.map(({ kind, subject }) => `${kind} ${subject}`).join(', ')}`,
    detail: { changes: changes.map(({ kind, subject }) => ({ kind, subject })) },
  })
}

export function tellStarted({ desired, version, instance, report }: World): void {
  const { jobs, targets, dataDir } = desired
  report({
    event: 'daemon.started',
    level: 'info',
    message: `holdfast ${version} keeps ${count(jobs.length, 'job', 'jobs')} on ${count(targets.length, 'target', 'targets')}`,
    detail: { instance, dataDir },
  })
}
