import type { InstanceHolding } from './fleet.ts'
import type { Desired } from './model.ts'
import type { Observed } from './observed.ts'
import { sortedBy } from './order.ts'

/** Who shares the state. The one that asks is not among them. */
export interface InstancesStatus {
  /** Daemons that the file expects. */
  readonly expected: number
  /** By name: those that live, and daemons that ended without a word and did not come back. */
  readonly seen: readonly InstanceHolding[]
}

/** Sums up what the state tells of the others; null where nobody shares it. */
export function instancesStatus(desired: Desired, { others }: Observed): InstancesStatus | null {
  if (!others) return null
  const isDaemon = ({ kind }: InstanceHolding) => kind === 'daemon'
  const living = others.filter((one) => one.isAlive)
  const names = new Set(living.filter(isDaemon).map(({ name }) => name))
  const gone = others.filter((one) => isDaemon(one) && !one.isAlive && !names.has(one.name))
  // Of one that was started and killed several times, the last end tells enough.
  const lastOf = new Map(gone.toSorted((a, b) => a.until - b.until).map((one) => [one.name, one]))
  const seen = sortedBy([...living, ...lastOf.values()], ({ name }) => name)
  return { expected: desired.instances, seen }
}
