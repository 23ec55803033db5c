import { type Container, listContainers } from '../../docker/containers.ts'
import { HELPER_LABEL } from '../../docker/helper-container.ts'
import { ownContainer } from '../../docker/own-container.ts'
import type { Volume } from '../../docker/volumes.ts'
import type { RestoreTask } from '../source.ts'
import type { Place } from './place.ts'

/** Containers in which something lives that has the volume; no helper, and not our own. */
export async function usersUp(
  { engine, volume }: Pick<Place, 'engine'> & { readonly volume: Pick<Volume, 'name'> },
  signal: AbortSignal,
): Promise<readonly Container[]> {
  const own = await ownContainer()
  const users = usersOf(await listContainers(engine, signal), volume.name)
  return users.filter((one) => isUp(one) && one.id !== own)
}

/** Containers, up or not, that have the volume; none of ours. */
export function usersOf(containers: readonly Container[], volume: string): readonly Container[] {
  return containers.filter(
    ({ mounts, labels }) =>
      mounts.some((mount) => mount.volume === volume) && !(HELPER_LABEL in labels),
  )
}

function isUp({ state }: Container): boolean {
  return state === 'running' || state === 'paused' || state === 'restarting'
}

/** What stands against a restore of a volume that is in use, and what has to be known of it. */
export async function inUse(
  place: Place,
  { force }: Pick<RestoreTask, 'force'>,
  signal: AbortSignal,
): Promise<{ readonly obstacle: string | null; readonly remarks: readonly string[] }> {
  const { quiet, restart } = place.settings
  const names = (await usersUp(place, signal)).map(({ name }) => name).sort()
  if (names.length === 0) return { obstacle: null, remarks: [] }
  const list = names.join(', ')
  if (quiet === 'stop') {
    return { obstacle: null, remarks: [`${list} are stopped for it, and started again`] }
  }
  if (!force) return { obstacle: `in use by ${list}`, remarks: [] }
  const end = restart ? 'is restarted afterwards' : 'goes on with files that it has open'
  return { obstacle: null, remarks: [`in use by ${list}, which ${end}`] }
}
