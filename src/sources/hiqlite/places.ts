import { join } from 'node:path'
import { realOf } from '../../platform/paths.ts'
import { type HiqliteSettings, isAlone } from './settings.ts'

/** Where a node keeps what, in its data_dir, and where we put ours. */
export interface Layout {
  /** The data_dir, links in it resolved. */
  readonly root: string
  /** The live database. */
  readonly database: string
  /** What a restore moves aside where it is there, seen from the root. */
  readonly aside: readonly string[]
  /** What a restore brings: the database, seen from the root. */
  readonly arrival: string
}

/**
 * Of a node that is not alone the new database is placed here, for Hiqlite to restore from, under its
 * own name: Hiqlite copies it into `backups/`, where a name in `.sqlite` must have a time in it.
 */
export const PREPARED = 'holdfast-restore'
export const STATE = 'state_machine'

const LOCK = join(STATE, 'lock')
/** All that a node knows of its cluster and its data; `backups` and what others keep there is not of it. */
const OWN_STATE = [
  join(STATE, 'db'),
  join(STATE, 'snapshots'),
  LOCK,
  'logs',
  'logs_cache',
  'state_machine_cache',
]

/** What a restore touches; see docs/decisions/hiqlite-restore.md. */
export async function layoutOf(settings: HiqliteSettings): Promise<Layout> {
  const root = await realOf(settings.dataDir)
  const inside = join(STATE, 'db', settings.filename)
  const database = join(root, inside)
  if (isAlone(settings)) return { root, database, aside: OWN_STATE, arrival: inside }
  // Hiqlite itself replaces the data of node 1, and reads what the others need from there.
  const stale = settings.nodeId === 1 ? [LOCK] : OWN_STATE
  return { root, database, aside: [...stale, PREPARED], arrival: join(PREPARED, settings.filename) }
}

/** A folder of ours in the data_dir: on its file system also where it is a mount point. */
export function ownFolder(root: string, role: 'staging' | 'previous', token: string): string {
  return join(root, `.holdfast-${role}-${token}`)
}
