import { backupLaws } from './store-backups.ts'
import type { OpenStore } from './store-bench.ts'
import { fleetLaws } from './store-fleet.ts'
import { historyLaws } from './store-history.ts'
import { smallLaws } from './store-small.ts'

/** Laws that every store keeps. */
export function storeContract(name: string, open: OpenStore): void {
  backupLaws(name, open)
  historyLaws(name, open)
  smallLaws(name, open)
  fleetLaws(name, open)
}
