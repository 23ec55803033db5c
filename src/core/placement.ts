import type { Instance } from './fleet.ts'
import { hash32 } from './hash32.ts'
import type { DesiredJob, JobId, Millis } from './model.ts'

/** What an instance knows when it asks whether a job is its to run. */
export interface Standing {
  readonly self: Named
  /** The daemons that live and take slots, this one among them. */
  readonly daemons: readonly Named[]
  /** Whether a source of the job lies on one host. */
  readonly isBound: boolean
  /** Whether this instance can see every such source. */
  readonly isSeen: boolean
  /** Name of the instance that ran a bound job last, or null. */
  readonly keeper: string | null
}

export type Named = Pick<Instance, 'name' | 'labels'>

/** Before an instance takes a job that another one is rather to run. */
const AFTER_ANOTHER = 3_000 as Millis
/** Before one that does not see a source says so by failing: a gap that nobody tells would be worse. */
const UNSEEN = 60_000 as Millis

/**
 * How long an instance leaves a due job to the others, in milliseconds; null for ever. What `on` asks
 * for is never overruled. A source that lies on one host stays with the instance that had it last, so
 * that two hosts with the same path do not take turns at two different things.
 */
export function patienceOf(job: DesiredJob, standing: Standing): Millis | null {
  const { self, isBound, isSeen, keeper } = standing
  if (!mayRun(job, self)) return null
  const able = standing.daemons.filter((one) => mayRun(job, one))
  if (isBound) {
    const kept = keeper !== null && able.some(({ name }) => name === keeper)
    if (kept) return keeper === self.name ? NONE : null
    return isSeen ? NONE : UNSEEN
  }
  return preferred(job.id, able) === self.name ? NONE : AFTER_ANOTHER
}

const NONE = 0 as Millis

/** Whether `on` of the job lets that instance run it. */
export function mayRun({ on }: Pick<DesiredJob, 'on'>, { name, labels }: Named): boolean {
  return on.length === 0 || on.some((word) => word === name || labels.includes(word))
}

/** The one of highest weight (rendezvous hashing): each job has its own order, so that load spreads. */
function preferred(job: JobId, daemons: readonly Named[]): string | null {
  let best: { readonly name: string; readonly weight: number } | null = null
  for (const { name } of daemons) {
    const weight = hash32(`${job}\n${name}`)
    if (best === null || weight > best.weight || (weight === best.weight && name < best.name)) {
      best = { name, weight }
    }
  }
  return best?.name ?? null
}
