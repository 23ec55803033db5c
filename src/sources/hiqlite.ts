import { isAbsolute, resolve } from 'node:path'
import type { Section } from '../core/section.ts'
import { ConfigError } from '../lib/errors.ts'
import { describeNode } from './hiqlite/describe.ts'
import { dumpNode } from './hiqlite/dump.ts'
import type { HiqliteSettings } from './hiqlite/settings.ts'
import { stageNode, sweepNode } from './hiqlite/staging.ts'
import type { SourceKind } from './source.ts'

/** The database of a Hiqlite node, as Rauthy has one; the archive is what Hiqlite's own backups are. */
export const hiqlite: SourceKind = {
  kind: 'hiqlite',
  configure(section) {
    const settings = settingsOf(section)
    return {
      layer: 'sqlite',
      extension: '.sqlite',
      path: settings.dataDir,
      dump: (context, signal) => dumpNode(settings, context, signal),
      describe: (task, signal) => describeNode(settings, task, signal),
      stage: (task, context, signal) => stageNode(settings, task, context, signal),
      sweep: (restore) => sweepNode(settings, restore),
    }
  },
}

function settingsOf(section: Section): HiqliteSettings {
  const fault = (key: string, message: string) =>
    new ConfigError([{ at: section.path, path: `${section.path}.${key}`, message, hint: null }])
  const dataDir = section.string('data_dir')
  if (!isAbsolute(dataDir)) throw fault('data_dir', `must be absolute, not ${dataDir}`)
  const filename = section.optional('filename_db') ?? 'hiqlite.db'
  if (!/^(?!\.{1,2}$)[^/\0]+$/.test(filename)) {
    throw fault('filename_db', `must be the name of a file, not ${filename}`)
  }
  const count = (key: string) => {
    const value = section.number(key, 1)
    if (!Number.isSafeInteger(value) || value < 1) throw fault(key, 'must be 1 or more')
    return value
  }
  return {
    dataDir: resolve(dataDir),
    filename,
    nodeId: count('node_id'),
    nodes: count('nodes'),
    skipValidation: section.flag('skip_validation', false),
  }
}
