import type { Desired, JobId } from '../core/model.ts'
import type { World } from '../observe/world.ts'
import type { OpenWork, Pulse } from '../state/store.ts'

/**
 * What somebody began who is gone; and what this instance began and is not at any more: the state was
 * away when it came to its end.
 */
export async function orphansIn(
  { open }: Pulse,
  atWork: ReadonlySet<JobId>,
  { leases }: World,
): Promise<readonly OpenWork[]> {
  const alive = new Map<string, boolean>()
  for (const { instance } of open) {
    if (!alive.has(instance)) alive.set(instance, await leases.isAlive(instance))
  }
  return open.filter(({ kind, job, instance }) =>
    instance === leases.instance
      ? kind !== 'restore' && job !== null && !atWork.has(job)
      : alive.get(instance) === false,
  )
}

/** Tells whether attempts were left behind, since it was asked last, of jobs that are not declared. */
export function watchForStrays(): (orphans: readonly OpenWork[], desired: Desired) => boolean {
  let known: ReadonlySet<string> = new Set()
  return (orphans, desired) => {
    const begun = orphans.filter(isAttempt)
    const declared = new Set(declaredAmong(jobsOf(begun), desired))
    const strays = begun.filter(({ job }) => job !== null && !declared.has(job))
    const before = known
    known = new Set(strays.map(nameOf))
    return [...known].some((name) => !before.has(name))
  }
}

/** Between two looks at restores that stay as they are: their host may stay away for days. */
const LOOK_AGAIN = 60_000

/** Restores that were left behind and have to be looked at: until they are taken. */
export interface LeftRestores {
  take(): void
}

/**
 * Tells whether restores were left behind that were not there when they were taken last, or have
 * been for a minute; null: not now. `clock` tells milliseconds.
 */
export function watchForRestores(
  clock: () => number = () => performance.now(),
): (orphans: readonly OpenWork[]) => LeftRestores | null {
  let known: ReadonlySet<string> = new Set()
  let takenAt = 0
  return (orphans) => {
    const left = new Set(orphans.filter(({ kind }) => kind === 'restore').map(nameOf))
    known = new Set([...known].filter((name) => left.has(name)))
    if (known.size === left.size && (left.size === 0 || clock() - takenAt < LOOK_AGAIN)) return null
    return {
      take() {
        known = left
        takenAt = clock()
      },
    }
  }
}

/** A run of which an attempt is open still is ended by whoever settles that. */
export function runsToEnd(orphans: readonly OpenWork[]): readonly OpenWork[] {
  const begun = new Set(orphans.filter(isAttempt).map(nameOf))
  return orphans.filter((one) => one.kind === 'run' && !begun.has(nameOf(one)))
}

export function isAttempt({ kind }: OpenWork): boolean {
  return kind === 'backup'
}

function nameOf({ job, instance }: OpenWork): string {
  return `${job} ${instance}`
}

/** Those of `jobs` that the file names. */
export function declaredAmong(jobs: Iterable<JobId>, desired: Desired): readonly JobId[] {
  const wanted = new Set(jobs)
  return wanted.size === 0 ? [] : desired.jobs.flatMap(({ id }) => (wanted.has(id) ? id : []))
}

/** The jobs that it is about. */
export function jobsOf(open: readonly OpenWork[]): ReadonlySet<JobId> {
  return new Set(open.flatMap(({ job }) => job ?? []))
}
