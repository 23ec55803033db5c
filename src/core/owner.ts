import { unreachable } from '../lib/unreachable.ts'
import type { Action } from './action.ts'
import type { BackupId, JobId } from './model.ts'
import type { Observed } from './observed.ts'

/** The job under whose lease an action belongs, or null for what concerns the config as a whole. */
export type Owners = (action: Action) => JobId | null

/** Tells the owners of actions that were planned from `observed`. */
export function ownersIn({ history }: Observed): Owners {
  const jobs = new Map(history.backups.map(({ id, job }) => [id, job]))
  return (action) => ownerOf(action, jobs)
}

function ownerOf(action: Action, jobs: ReadonlyMap<BackupId, JobId>): JobId | null {
  switch (action.kind) {
    case 'target.create':
    case 'target.update':
    case 'target.remove':
    case 'posture':
    case 'job.create':
    case 'job.update':
    case 'job.remove':
    case 'restore':
      return null
    case 'backup':
    case 'skip':
    case 'abandon':
    case 'verify':
    case 'copy':
    case 'prune':
    case 'prune-blocked':
    case 'release':
      return action.subject
    case 'adopt':
      return action.manifest.job
    case 'missing':
      return jobs.get(action.copy.backup) ?? null
    case 'debris':
      return jobs.get(action.backup) ?? null
    default:
      return unreachable(action)
  }
}
