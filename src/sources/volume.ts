import type { SourceKind } from './source.ts'
import { describeVolume } from './volume/describe.ts'
import { dumpVolume } from './volume/dump.ts'
import { readSettings } from './volume/read-settings.ts'
import { stageVolume, sweepVolume } from './volume/staging.ts'

/** A Docker volume, archived by GNU tar wherever its bytes can be had. */
export const volume: SourceKind = {
  kind: 'volume',
  configure(section) {
    const settings = readSettings(section)
    return {
      layer: 'tar',
      extension: '.tar',
      path: null,
      dump: (context, signal) => dumpVolume(settings, context, signal),
      describe: (task, signal) => describeVolume(settings, task, signal),
      stage: (task, context, signal) => stageVolume(settings, task, context, signal),
      sweep: (restore) => sweepVolume(settings, restore),
    }
  },
}
