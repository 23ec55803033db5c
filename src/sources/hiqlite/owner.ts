import { chown } from 'node:fs/promises'
import { join } from 'node:path'
import type { SourceFacts } from '../../core/manifest.ts'
import { entryAt } from '../../platform/sqlite/places.ts'
import { type Layout, STATE } from './places.ts'

export interface Owner {
  readonly uid: number
  readonly gid: number
}

/** Whom the node's data belongs to: its database, else what is nearest to it; null without a data_dir. */
export async function ownerAt({ root, database }: Layout): Promise<Owner | null> {
  for (const path of [database, join(root, STATE), root]) {
    const there = await entryAt(path)
    if (there) return { uid: there.uid, gid: there.gid }
  }
  return null
}

/** Gives the paths to `owner`, else to whom the archive names. A warning where that is not ours to do. */
export async function adoptOwner(
  paths: readonly string[],
  owner: Owner | null,
  facts: SourceFacts,
): Promise<readonly string[]> {
  const { uid, gid } = owner ?? facts
  if (typeof uid !== 'number' || typeof gid !== 'number') return []
  try {
    for (const path of paths) {
      const own = await entryAt(path)
      if (own?.uid !== uid || own.gid !== gid) await chown(path, uid, gid)
    }
    return []
  } catch {
    return [
      `what was restored belongs to us now, not to ${uid}:${gid}: run chown -R ${uid}:${gid} on it as root`,
    ]
  }
}
