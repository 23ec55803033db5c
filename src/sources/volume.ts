import type { SourceKind } from './source.ts'
import { describeVolume } from './volume/describe.ts'
import { dumpVolume } from './volume/dump.ts'
import { membersOf } from './volume/members.ts'
import { mendVolume, wakeVolume } from './volume/mend.ts'
import { readSettings } from './volume/read-settings.ts'
import { realmOfVolume, type Shared } from './volume/realm.ts'
import { stageVolume, sweepVolume } from './volume/staging.ts'

/** A Docker volume, archived by GNU tar wherever its bytes can be had. */
export const volume: SourceKind = {
  kind: 'volume',
  members: (section, signal) => membersOf(readSettings(section), signal),
  wake: wakeVolume,
  mend: mendVolume,
  configure(section) {
    const settings = readSettings(section)
    const shared: Shared = { session: null }
    return {
      layer: 'tar',
      extension: '.tar',
      path: null,
      dump: (context, signal) => dumpVolume(settings, context, signal),
      describe: (task, signal) => describeVolume(settings, task, signal),
      stage: (task, context, signal) => stageVolume({ settings, shared }, task, context, signal),
      realm: () => realmOfVolume(settings, shared),
      sweep: (restore) => sweepVolume(settings, restore),
    }
  },
}
