import type { Restore } from '../core/model.ts'
import { acquirePatiently, type Lease } from '../leases/lease.ts'
import type { World } from '../observe/world.ts'

/*
 * What a restore took for itself stays its own until somebody has put it in order: when its process
 * dies its leases end, and the volume may be half of one and half of the other.
 */

const PREFIX = 'holds:'

/** Leases by these names are this restore's. */
export async function noteHolds(
  { id }: Pick<Restore, 'id'>,
  names: readonly string[],
  { store }: World,
): Promise<void> {
  if (names.length > 0) await store.saveFact(PREFIX + id, JSON.stringify(names))
}

/** It came to an end that was told. */
export async function forgetHolds({ id }: Pick<Restore, 'id'>, { store }: World): Promise<void> {
  await store.saveFact(PREFIX + id, null)
}

/** Whether a restore that has come to no end has it, asked by whoever holds the lease of that name. */
export async function isLeft(name: string, { store }: World): Promise<boolean> {
  const facts = await store.facts(PREFIX)
  const owners = [...facts].flatMap(([key, text]) =>
    (JSON.parse(text) as readonly string[]).includes(name) ? [key.slice(PREFIX.length)] : [],
  )
  if (owners.length === 0) return false
  const { restores } = await store.history({ depth: 'recent', jobs: null })
  return restores.some(({ id, status }) => status === 'running' && owners.includes(id))
}

/** Does `work` with all that a dead restore held. Throws the signal's reason when it cannot be had. */
export async function withHoldsOf(
  id: string,
  world: World,
  signal: AbortSignal,
  work: () => Promise<void>,
): Promise<void> {
  const text = await world.store.fact(PREFIX + id)
  const leases: Lease[] = []
  try {
    for (const name of text === null ? [] : (JSON.parse(text) as readonly string[])) {
      const asked = { leases: world.leases, patience: Number.POSITIVE_INFINITY }
      const lease = await acquirePatiently(asked, name, signal)
      if (lease.kind === 'granted') leases.push(lease)
    }
    await work()
  } finally {
    for (const lease of leases) await lease.release().catch(() => {})
  }
}
