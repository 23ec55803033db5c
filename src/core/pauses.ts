import type { Action, ActionKind } from './action.ts'
import type { Pause } from './fleet.ts'
import type { JobId } from './model.ts'
import type { Observed, Warning } from './observed.ts'
import { ownersIn } from './owner.ts'

/** What stands in the way of a job, or null. Everything being paused is told before the job alone. */
export function pauseOf(pauses: readonly Pause[], job: JobId): Pause | null {
  const of = (subject: Pause['subject']) => pauses.find((one) => one.subject === subject)
  return of('*') ?? of(job) ?? null
}

/** What a paused job goes without. What somebody else did to its copies is still learnt. */
const HELD_BACK: ReadonlySet<ActionKind> = new Set([
  'backup',
  'skip',
  'copy',
  'verify',
  'prune',
  'prune-blocked',
  'debris',
  'release',
])

/** The actions that no pause stands in the way of. */
export function withoutPaused(actions: readonly Action[], observed: Observed): readonly Action[] {
  if (observed.pauses.length === 0) return actions
  const ownerOf = ownersIn(observed)
  return actions.filter((action) => {
    const owner = HELD_BACK.has(action.kind) ? ownerOf(action) : null
    return owner === null || pauseOf(observed.pauses, owner) === null
  })
}

/** What is paused, why and by whom. */
export function pauseWarnings({ pauses }: Observed): readonly Warning[] {
  return pauses.map(({ subject, reason, author }) => ({
    rule: 'paused',
    subject: subject === '*' ? 'everything' : subject,
    message: `paused by ${author}${reason === '' ? '' : `: ${reason}`}; nothing is backed up, verified or deleted meanwhile`,
    hint: `holdfast job resume ${subject === '*' ? '--all' : subject}`,
  }))
}
