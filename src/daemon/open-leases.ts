import { hostname } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import type { Instance } from '../core/fleet.ts'
import type { Desired, InstanceId, Millis } from '../core/model.ts'
import type { LeasesState } from '../leases/deployment.ts'
import type { Leases } from '../leases/lease.ts'
import { openMachineLeases } from '../leases/machine.ts'
import type { SlotLock } from '../leases/slot-lock.ts'
import type { Fleet } from '../observe/fleet.ts'
import { newId } from '../platform/ids.ts'
import type { Store } from '../state/store.ts'
import { homeOf } from './home.ts'
import type { Ambient } from './session.ts'

export interface LeasesRequest {
  readonly desired: Desired
  readonly store: Store
  readonly ambient: Ambient
  readonly kind: Instance['kind']
}

/** Who may act, and who else is there. */
export interface OpenedLeases {
  readonly instance: InstanceId
  readonly leases: Leases
  readonly fleet: Fleet | null
  readonly slots: SlotLock | null
  readonly state: (() => LeasesState) | null
  tellDraining(isDraining: boolean): Promise<void>
}

/** Leases among the processes of this machine, or, on a state that instances share, among those. */
export async function openLeases(request: LeasesRequest): Promise<OpenedLeases> {
  const { desired, store, ambient } = request
  const instance = newId(ambient.now()) as InstanceId
  if (desired.state.kind === 'sqlite') {
    const folder = join(desired.dataDir, 'leases')
    const leases = openMachineLeases({ folder, fences: store, instance })
    const tellDraining = async () => {}
    return { instance, leases, fleet: null, slots: null, state: null, tellDraining }
  }
  let self = instanceOf(instance, request)
  const { report, now } = ambient
  const { redis, deployment } = desired
  // Loaded by those alone who share a state: a daemon that is alone has no use for them.
  const { openSharedLeases } = await import('../leases/shared.ts')
  const { leases, slots } = await openSharedLeases({
    store,
    redis,
    deployment,
    life: () => self,
    report,
    now,
  })
  return {
    instance,
    leases,
    fleet: {
      self: () => self,
      home: () => homeOf(desired.dataDir, now()),
      instances: () => store.instances(),
      clock: () => leases.state().skew,
    },
    slots,
    state: leases.state,
    async tellDraining(isDraining) {
      self = { ...self, isDraining }
      await leases.beat()
    },
  }
}

function instanceOf(id: InstanceId, { desired, ambient, kind }: LeasesRequest): Instance {
  const host = hostname()
  return {
    id,
    name: desired.identity.name ?? host,
    kind,
    labels: desired.identity.labels,
    host,
    pid: process.pid,
    version: ambient.version,
    startedAt: ambient.now(),
    isDraining: false,
    skew: 0 as Millis,
  }
}
