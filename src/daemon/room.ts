import type { JobId, TargetId } from '../core/model.ts'
import { sortedBy } from '../core/order.ts'
import type { Busy, Lease } from '../leases/lease.ts'
import { declaredJob, declaredTarget, type World } from '../observe/world.ts'

/** Places taken on targets; let go of when disposed. */
export interface Room extends AsyncDisposable {
  readonly kind: 'room'
  /** Aborts when one of them is lost. */
  readonly signal: AbortSignal
}

/** No place on one of the targets. */
export interface Full extends Busy {
  readonly target: TargetId
}

/**
 * Takes a place for the job on each of its targets that bounds how many write there at once, over all
 * instances: each place is a lease. Answers at once; `busy` when one target is full.
 */
export async function takeRoom(id: JobId, world: World): Promise<Room | Full> {
  const { desired, leases } = world
  // In one order, so that no two jobs wait for each other's last place.
  const targets = sortedBy(declaredJob(desired, id).targets, ({ target }) => target)
  const taken: Lease[] = []
  const letGo = async () => {
    await Promise.allSettled(taken.map((lease) => lease.release()))
  }
  try {
    for (const { target } of targets) {
      const { concurrency } = declaredTarget(desired, target)
      if (concurrency === null) continue
      const place = await takePlace(`target:${target}`, concurrency, leases)
      if (place.kind === 'busy') {
        await letGo()
        return { ...place, target }
      }
      taken.push(place)
    }
  } catch (error) {
    await letGo()
    throw error
  }
  const signal = AbortSignal.any(taken.map((lease) => lease.signal))
  return { kind: 'room', signal, [Symbol.asyncDispose]: letGo }
}

async function takePlace(
  name: string,
  places: number,
  leases: World['leases'],
): Promise<Lease | Busy> {
  let busy: Busy = { kind: 'busy', holder: 'another job' }
  for (let place = 1; place <= places; place++) {
    const lease = await leases.acquire(`${name}:${place}`)
    if (lease.kind === 'granted') return lease
    busy = lease
  }
  return busy
}
