import { isAbsolute, resolve } from 'node:path'
import { ConfigError } from '../lib/errors.ts'
import type { SourceKind } from './source.ts'
import { describeDatabase } from './sqlite/describe.ts'
import { dumpDatabase } from './sqlite/dump.ts'
import { stageDatabase, sweepStaged } from './sqlite/staging.ts'

/** A SQLite database file, copied while it is in use; the archive holds it as one plain file. */
export const sqlite: SourceKind = {
  kind: 'sqlite',
  configure(section) {
    const path = section.string('path')
    if (!isAbsolute(path)) {
      const message = `must be absolute, not ${path}`
      throw new ConfigError([
        { at: section.path, path: `${section.path}.path`, message, hint: null },
      ])
    }
    const settings = { path: resolve(path), allowEmpty: section.flag('allow_empty', false) }
    return {
      layer: 'sqlite',
      extension: '.sqlite',
      path: settings.path,
      dump: (context, signal) => dumpDatabase(settings, context, signal),
      describe: (task, signal) => describeDatabase(settings, task, signal),
      stage: (task, context, signal) => stageDatabase(settings, task, context, signal),
      sweep: (restore) => sweepStaged(settings, restore),
    }
  },
}
