import { type HiqliteSettings, isAlone } from './settings.ts'

/** What node 1 of several is to be started with, as the value of Hiqlite's own variable; null for any other node. */
export function handedTo(settings: HiqliteSettings, prepared: string): string | null {
  return isAlone(settings) || settings.nodeId !== 1 ? null : `file:${prepared}`
}

/**
 * What is left to be done where the node is not its whole cluster, in words; nothing where it is.
 * Only Hiqlite itself builds the snapshot that the other nodes get, and only for its own variable.
 */
export function handOver(settings: HiqliteSettings, prepared: string): readonly string[] {
  if (isAlone(settings)) return []
  const value = handedTo(settings, prepared)
  if (value !== null) {
    return [
      `node 1 of ${settings.nodes} restores it by itself: with every node down, start node 1 with HQL_BACKUP_RESTORE=${value}, then the others without it`,
    ]
  }
  return [
    `node ${settings.nodeId} joins as a new one and gets its data from node 1: restore into node 1 first, and start this one without HQL_BACKUP_RESTORE, which would make Hiqlite delete its data_dir`,
  ]
}
