import { openEngine } from '../../docker/engine.ts'
import { findVolume } from '../../docker/volumes.ts'
import type { Replacement, RestoreTask } from '../source.ts'
import { describeDirectory } from '../tree/describe.ts'
import { accessTo } from './access.ts'
import { describeInside } from './describe-inside.ts'
import { nameToRestore } from './find.ts'
import { type Place, treeOf } from './place.ts'
import type { VolumeSettings } from './settings.ts'
import { inUse } from './users.ts'

/** What a restore would find in its way. Changes nothing. */
export async function describeVolume(
  settings: VolumeSettings,
  task: RestoreTask,
  signal: AbortSignal,
): Promise<Replacement> {
  if (task.to?.startsWith('/')) return await describeDirectory(treeOf(settings, '/'), task, signal)
  const engine = await openEngine(settings.address)
  const name = await nameToRestore(engine, settings, task, signal)
  const to = `volume ${name} on ${engine.label}`
  const volume = await findVolume(engine, name, signal)
  if (volume === null) return { to, now: 'nothing', remarks: ['the volume is made'] }
  const place: Place = { engine, volume, settings }
  const access = await accessTo(place, 'write', signal)
  const inner =
    access.kind === 'path'
      ? await describeDirectory(treeOf(settings, access.path), { ...task, to: null }, signal)
      : await describeInside(place, access, signal)
  const { obstacle, remarks } = await inUse(place, task, signal)
  return {
    to,
    now: inner.now,
    remarks: [
      ...(obstacle === null ? [] : [`it will be refused: ${obstacle}`]),
      ...remarks,
      ...inner.remarks,
    ],
  }
}
