import { setTimeout as sleep } from 'node:timers/promises'
import type { InstanceId } from '../core/model.ts'

/** Says who may act on what. A dead owner's lease ends by itself. */
export interface Leases {
  readonly instance: InstanceId
  /** Takes `name` if it is free; answers at once. */
  acquire(name: string): Promise<Lease | Busy>
  /** Whether that instance is proven to live: its attempts are then under way, not abandoned. */
  isAlive(instance: InstanceId): Promise<boolean>
  close(): Promise<void>
}

export interface Lease {
  readonly kind: 'granted'
  readonly name: string
  /** Grows with every grant of this name, so that a late writer can be told apart. */
  readonly fence: number
  /** Aborts with `LeaseLost` once the lease can no longer be proven ours. */
  readonly signal: AbortSignal
  /** Throws `LeaseLost` unless the fence is still the newest one: asked before each manifest and each batch of deletes. */
  confirm(): Promise<void>
  /** Releasing a lease already lost succeeds. */
  release(): Promise<void>
}

export interface Busy {
  readonly kind: 'busy'
  /** Instance, process id and since when, in words. */
  readonly holder: string
}

export type Turn<T> = Busy | { readonly kind: 'held'; readonly value: T }

/**
 * Runs `work` while holding `name`, or says who holds it.
 *
 * `work` gets a narrower signal than ours: it aborts too when the lease is lost, so nothing goes on
 * acting under a lock that someone else may hold. The release never masks the result of `work`.
 */
export async function hold<T>(
  leases: Leases,
  name: string,
  signal: AbortSignal,
  work: (lease: Lease, held: AbortSignal) => Promise<T>,
): Promise<Turn<T>> {
  return await during(await leases.acquire(name), signal, work)
}

async function during<T>(
  lease: Lease | Busy,
  signal: AbortSignal,
  work: (lease: Lease, held: AbortSignal) => Promise<T>,
): Promise<Turn<T>> {
  if (lease.kind === 'busy') return lease
  try {
    return { kind: 'held', value: await work(lease, AbortSignal.any([signal, lease.signal])) }
  } finally {
    await lease.release().catch(() => {})
  }
}

/** Between two looks at a lease that somebody else holds. */
const LOOK_AGAIN = 200

/** Leases, and how many milliseconds one may be waited for. */
export interface Patient {
  readonly leases: Leases
  readonly patience: number
}

/** Takes `name`, or says who holds it once it has waited for so long. */
export async function acquirePatiently(
  { leases, patience }: Patient,
  name: string,
  signal: AbortSignal,
): Promise<Lease | Busy> {
  const until = performance.now() + patience
  for (;;) {
    const lease = await leases.acquire(name)
    if (lease.kind === 'granted' || performance.now() >= until) return lease
    // What a timer throws when it is aborted says nothing of why.
    await sleep(LOOK_AGAIN, undefined, { signal }).catch(() => signal.throwIfAborted())
  }
}

/** As `hold`, but waits up to `patience` milliseconds for the lease before it says who holds it. */
export async function holdPatiently<T>(
  patient: Patient,
  name: string,
  signal: AbortSignal,
  work: (lease: Lease, held: AbortSignal) => Promise<T>,
): Promise<Turn<T>> {
  return await during(await acquirePatiently(patient, name, signal), signal, work)
}
