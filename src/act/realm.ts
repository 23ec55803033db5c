import { isAbsolute } from 'node:path'
import type { Restore } from '../core/model.ts'
import { RestoreFailed } from '../lib/errors.ts'
import { openSource, type World } from '../observe/world.ts'
import { fileRealm } from '../platform/file-realm.ts'
import type { Realm } from '../sources/source.ts'

/**
 * Where the moves of a restore were made, or are to be made again. Throws `RestoreFailed` when only
 * its source could tell, and nobody declares that any more.
 */
export async function realmOf(
  restore: Pick<Restore, 'job' | 'source' | 'inPlace' | 'to' | 'previous'>,
  world: World,
): Promise<Realm> {
  const job = world.desired.jobs.find(({ id }) => id === restore.job)
  const source = job?.sources.find(({ name }) => name === restore.source)
  const to = restore.inPlace ? null : restore.to
  if (!job || !source) return realmOfPaths(restore)
  const opened = await openSource(world, job, source)
  return opened.realm?.(to) ?? fileRealm
}

/**
 * The same until the signal aborts, and nothing after: whoever was left behind in it because it hung
 * makes no move more once it goes on.
 */
export function realmUntil(realm: Realm, signal: AbortSignal): Realm {
  const until =
    <A, R>(act: (asked: A) => Promise<R>) =>
    async (asked: A): Promise<R> => {
      signal.throwIfAborted()
      return await act(asked)
    }
  const { renameAll } = realm
  return {
    exists: until((name) => realm.exists(name)),
    rename: until((move) => realm.rename(move)),
    ...(renameAll ? { renameAll: until((moves) => renameAll.call(realm, moves)) } : {}),
    settle: until((move) => realm.settle(move)),
    makeRoom: until((name) => realm.makeRoom(name)),
    remove: until((name) => realm.remove(name)),
    isPrevious: (name) => realm.isPrevious(name),
  }
}

/** A source that is gone needs nobody's help where all is files. */
function realmOfPaths({
  job,
  source,
  to,
  inPlace,
  previous,
}: Parameters<typeof realmOf>[0]): Realm {
  if (previous === null ? inPlace || isAbsolute(to) : isAbsolute(previous)) return fileRealm
  throw new RestoreFailed(`nobody declares ${job}/${source} any more, which it was restored to`, {
    hint: 'declare it again until this is put in order',
  })
}
