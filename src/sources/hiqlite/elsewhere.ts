import { chmod, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { formatBytes } from '../../lib/size.ts'
import { syncFile } from '../../platform/files.ts'
import { ownPath, realFile, SIDECARS } from '../../platform/sqlite/places.ts'
import { requireNew, requireRoom } from '../../platform/sqlite/room.ts'
import { requireSound } from '../../platform/sqlite/sound.ts'
import type { RestoreTask, Staging } from '../source.ts'

/** Takes the content as a new file, byte for byte what the archive holds. */
export async function stageElsewhere(
  to: string,
  { facts }: RestoreTask,
  token: string,
): Promise<Staging> {
  const place = await realFile(to)
  const staged = ownPath(place, 'staging', token)
  await requireNew(place)
  await requireRoom(dirname(place), 0o755, facts)
  return {
    sink: { kind: 'file', path: staged },
    immediate: false,
    async finish(_exit, signal) {
      await chmod(staged, 0o600)
      const pageCount = typeof facts.pageCount === 'number' ? facts.pageCount : null
      const arrived = { path: staged, journalMode: null, pageCount, edit: null }
      const { bytes, warnings } = await requireSound(arrived, signal)
      await syncFile(staged)
      await requireNew(place)
      return {
        moves: [{ from: staged, to: place }],
        previous: null,
        leftovers: [],
        summary: `Hiqlite database of ${formatBytes(bytes)}, checked`,
        warnings,
      }
    },
    discard: () => removeStaged(staged),
  }
}

/** Removes the file that the restore of `token` filled. */
export async function sweepElsewhere(to: string, token: string): Promise<void> {
  await removeStaged(ownPath(await realFile(to), 'staging', token))
}

async function removeStaged(staged: string): Promise<void> {
  for (const suffix of ['', ...SIDECARS]) await rm(staged + suffix, { force: true })
}
