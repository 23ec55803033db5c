import { appNames, serviceOf } from './app-names.ts'
import { type DatabaseKind, databaseOf, dataMountOf } from './database-images.ts'
import type { DiscoverySettings } from './docker-settings.ts'
import { sortedBy } from './order.ts'
import type { SeenEngine } from './seen-apps.ts'

/** A database server whose data is on no volume and no folder of the machine: it goes with its container. */
export interface Bare {
  readonly container: string
  readonly service: string
  readonly app: string
  readonly database: DatabaseKind
  /** Who sees it. */
  readonly instances: readonly string[]
  readonly words: readonly string[]
}

/** Those of an engine, by name. A server with its data on a volume is seen as that volume. */
export function bareDatabases(
  { docker, instances, words }: SeenEngine,
  { apps }: DiscoverySettings,
): readonly Bare[] {
  const containers = sortedBy(docker.containers, ({ id }) => id)
  const names = appNames(
    { ...docker, containers },
    apps.map(({ name }) => name),
  )
  const bare = containers.flatMap((one) => {
    const database = databaseOf(one)
    if (database === null || dataMountOf(one) !== null) return []
    const { name: container } = one
    const app = names.ofContainer(one)
    return [{ container, service: serviceOf(one), app, database, instances, words }]
  })
  return sortedBy(bare, ({ container }) => container)
}
