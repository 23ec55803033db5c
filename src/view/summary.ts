import type { Action, Plan } from '../core/action.ts'
import { count } from '../lib/count.ts'
import { formatBytes } from '../lib/size.ts'

/** How many steps of each sort a plan has. */
export interface Summary {
  /** Of targets and jobs. */
  readonly add: number
  readonly change: number
  readonly remove: number
  /** Settings of targets that differ from what is expected, and that `apply` sets. */
  readonly settings: number
  /** Those that it cannot or may not set. */
  readonly unmet: number
  readonly restores: number
  readonly backups: number
  readonly skips: number
  readonly abandons: number
  readonly adopts: number
  readonly missing: number
  readonly debris: number
  /** Copies to be made where a target lacks them. */
  readonly copies: number
  readonly verifies: number
  /** Copies, not steps. */
  readonly deletes: number
  readonly deleteBytes: number
  /** Copies that would be deleted and may not. */
  readonly blocked: number
  readonly releases: number
  /** What is seen, holds data, and is in no job; 0 too where nobody looks. */
  readonly unprotected: number
  readonly warnings: number
}

/** Counts a plan. */
export function summarize({
  actions,
  warnings,
  coverage,
}: Pick<Plan, 'actions' | 'warnings' | 'coverage'>): Summary {
  const sums = new Map<keyof Summary, number>()
  const add = (key: keyof Summary, number: number) => sums.set(key, (sums.get(key) ?? 0) + number)
  for (const action of actions) {
    add(columnOf(action), weightOf(action))
    if (action.kind !== 'prune') continue
    add(
      'deleteBytes',
      action.drop.reduce((sum, copy) => sum + (copy.bytes ?? 0), 0),
    )
  }
  const of = (key: keyof Summary) => sums.get(key) ?? 0
  return {
    add: of('add'),
    change: of('change'),
    remove: of('remove'),
    settings: of('settings'),
    unmet: of('unmet'),
    restores: of('restores'),
    backups: of('backups'),
    skips: of('skips'),
    abandons: of('abandons'),
    adopts: of('adopts'),
    missing: of('missing'),
    debris: of('debris'),
    copies: of('copies'),
    verifies: of('verifies'),
    deletes: of('deletes'),
    deleteBytes: of('deleteBytes'),
    blocked: of('blocked'),
    releases: of('releases'),
    unprotected: coverage?.unprotected.length ?? 0,
    warnings: warnings.length,
  }
}

/** The summary on one line: `2 to add, 1 backup, 3 copies to delete (1.2 GiB)`. */
export function summaryWords(sum: Summary): string {
  const parts = [
    some(sum.restores, '1 restore', `${sum.restores} restores`),
    some(sum.add, '1 to add', `${sum.add} to add`),
    some(sum.change, '1 to change', `${sum.change} to change`),
    some(sum.remove, '1 to forget', `${sum.remove} to forget`),
    some(sum.settings, '1 setting to set', `${sum.settings} settings to set`),
    some(sum.unmet, '1 setting to mend by hand', `${sum.unmet} settings to mend by hand`),
    some(sum.abandons, '1 attempt to give up', `${sum.abandons} attempts to give up`),
    some(sum.adopts, '1 copy to adopt', `${sum.adopts} copies to adopt`),
    some(sum.missing, '1 copy missing', `${sum.missing} copies missing`),
    some(sum.debris, '1 leftover to remove', `${sum.debris} leftovers to remove`),
    some(sum.backups, '1 backup', `${sum.backups} backups`),
    some(sum.skips, '1 slot to skip', `${sum.skips} slots to skip`),
    some(sum.copies, '1 copy to repair', `${sum.copies} copies to repair`),
    some(sum.verifies, '1 copy to verify', `${sum.verifies} copies to verify`),
    sum.deletes > 0
      ? `${count(sum.deletes, 'copy', 'copies')} to delete (${formatBytes(sum.deleteBytes)})`
      : '',
    some(sum.blocked, '1 deletion blocked', `${sum.blocked} deletions blocked`),
    some(sum.releases, '1 restore to let go', `${sum.releases} restores to let go`),
    some(sum.unprotected, '1 unprotected', `${sum.unprotected} unprotected`),
  ]
  return parts.filter((part) => part !== '').join(', ')
}

function some(number: number, one: string, many: string): string {
  if (number === 0) return ''
  return number === 1 ? one : many
}

function columnOf(action: Action): keyof Summary {
  return action.kind === 'posture' && !action.settable ? 'unmet' : COLUMNS[action.kind]
}

function weightOf(action: Action): number {
  if (action.kind === 'prune') return action.drop.length
  return action.kind === 'prune-blocked' ? action.would.length : 1
}

const COLUMNS = {
  restore: 'restores',
  'target.create': 'add',
  'target.update': 'change',
  'target.remove': 'remove',
  posture: 'settings',
  'job.create': 'add',
  'job.update': 'change',
  'job.remove': 'remove',
  backup: 'backups',
  skip: 'skips',
  abandon: 'abandons',
  adopt: 'adopts',
  missing: 'missing',
  debris: 'debris',
  copy: 'copies',
  verify: 'verifies',
  prune: 'deletes',
  'prune-blocked': 'blocked',
  release: 'releases',
} as const satisfies Readonly<Record<Action['kind'], keyof Summary>>
