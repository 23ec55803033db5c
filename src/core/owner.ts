import { unreachable } from '../lib/unreachable.ts'
import type { Action } from './action.ts'
import type { JobId } from './model.ts'
import type { Observed } from './observed.ts'

/** The job under whose lease an action belongs, or null for what concerns the config as a whole. */
export function ownerOf(action: Action, observed: Observed): JobId | null {
  switch (action.kind) {
    case 'target.create':
    case 'target.update':
    case 'target.remove':
    case 'job.create':
    case 'job.update':
    case 'job.remove':
    case 'restore':
      return null
    case 'backup':
    case 'skip':
    case 'abandon':
    case 'verify':
    case 'prune':
    case 'prune-blocked':
    case 'release':
      return action.subject
    case 'adopt':
      return action.manifest.job
    case 'missing':
      return jobOf(action.copy.backup, observed)
    case 'debris':
      return jobOf(action.backup, observed)
    default:
      return unreachable(action)
  }
}

function jobOf(backup: string, observed: Observed): JobId | null {
  return observed.history.backups.find(({ id }) => id === backup)?.job ?? null
}
