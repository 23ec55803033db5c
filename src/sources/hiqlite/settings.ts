/** A hiqlite source as the config declares it. */
export interface HiqliteSettings {
  /** Absolute. */
  readonly dataDir: string
  /** A name, no path. */
  readonly filename: string
  readonly nodeId: number
  /** How many nodes the cluster has. */
  readonly nodes: number
  /** Take a database that Hiqlite would not know as its own. */
  readonly skipValidation: boolean
}

/** Whether the node is its whole cluster, so that its data may be replaced while it is down. */
export function isAlone({ nodeId, nodes }: HiqliteSettings): boolean {
  return nodeId === 1 && nodes === 1
}
