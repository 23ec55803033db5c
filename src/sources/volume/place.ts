import type { Engine } from '../../docker/engine.ts'
import type { Volume } from '../../docker/volumes.ts'
import type { DirectorySettings } from '../tree/settings.ts'
import type { VolumeSettings } from './settings.ts'

/** A volume that is there, on its engine. */
export interface Place {
  readonly engine: Engine
  readonly volume: Volume
  readonly settings: VolumeSettings
}

/** Where helpers of ours see the volume. */
export const INSIDE = '/volume'

/** The volume as a folder of this process. */
export function treeOf(settings: VolumeSettings, path: string): DirectorySettings {
  const { excludes, allowEmpty, changedLimit } = settings
  return {
    ...{ path, excludes, allowEmpty, changedLimit },
    oneFileSystem: false,
    requireMount: false,
    isHeld: true,
  }
}

/** By this, helpers are found again that a death has left behind. */
export function ownerOf({ volume }: Pick<Place, 'volume'>): string {
  return `volume:${volume.name}`
}
