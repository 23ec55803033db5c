import type { InstanceId } from '../../src/core/model.ts'
import type { Lease } from '../../src/leases/lease.ts'
import { openMachineLeases } from '../../src/leases/machine.ts'
import { openSqliteStore } from '../../src/state/sqlite.ts'

/** A process of its own that takes and releases leases as it is told. */
export interface Order {
  readonly do: 'acquire' | 'release' | 'isAlive'
  readonly name: string
}

const [folder = '', instance = ''] = process.argv.slice(2)
const store = await openSqliteStore({ path: `${folder}/state.db` })
const leases = openMachineLeases({
  folder: `${folder}/leases`,
  fences: store,
  instance: instance as InstanceId,
})
const held = new Map<string, Lease>()

process.on('message', async (order: Order) => process.send?.(await obey(order)))
process.on('disconnect', () => process.exit())
process.send?.('ready')

async function obey(order: Order): Promise<unknown> {
  switch (order.do) {
    case 'acquire': {
      const lease = await leases.acquire(order.name)
      if (lease.kind === 'busy') return lease
      held.set(order.name, lease)
      return { kind: 'granted', fence: lease.fence }
    }
    case 'release':
      await held.get(order.name)?.release()
      return 'released'
    case 'isAlive':
      return leases.isAlive(order.name as InstanceId)
  }
}
