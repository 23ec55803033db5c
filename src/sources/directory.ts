import { isAbsolute, resolve } from 'node:path'
import type { Section } from '../core/section.ts'
import { ConfigError } from '../lib/errors.ts'
import type { SourceKind } from './source.ts'
import { describeDirectory } from './tree/describe.ts'
import { dumpDirectory } from './tree/dump.ts'
import { parsePatterns } from './tree/excludes.ts'
import type { DirectorySettings } from './tree/settings.ts'
import { stageDirectory, sweepStaged } from './tree/staging.ts'

const DEFAULT_CHANGED_LIMIT = 0.05

/** A folder and all in it, archived by GNU tar: owners, modes, times, links, holes, xattrs, ACLs. */
export const directory: SourceKind = {
  kind: 'directory',
  configure(section) {
    const settings = readSettings(section)
    return {
      layer: 'tar',
      extension: '.tar',
      path: settings.path,
      dump: (context, signal) => dumpDirectory(settings, context, signal),
      describe: (task, signal) => describeDirectory(settings, task, signal),
      stage: (task, context, signal) => stageDirectory(settings, task, context, signal),
      sweep: (restore) => sweepStaged(settings, restore),
    }
  },
}

function readSettings(section: Section): DirectorySettings {
  const fault = (key: string, message: string) =>
    new ConfigError([{ at: section.path, path: `${section.path}.${key}`, message, hint: null }])
  const path = section.string('path')
  if (!isAbsolute(path)) throw fault('path', `must be absolute, not ${path}`)
  const excludes = parsePatterns(section.strings('exclude'))
  if ('fault' in excludes) throw fault('exclude', excludes.fault)
  const changedLimit = section.number('changed_limit', DEFAULT_CHANGED_LIMIT)
  if (!(changedLimit >= 0 && changedLimit <= 1)) {
    throw fault('changed_limit', 'must be between 0 and 1')
  }
  return {
    path: resolve(path),
    excludes,
    oneFileSystem: section.flag('one_file_system', false),
    requireMount: section.flag('require_mount', false),
    allowEmpty: section.flag('allow_empty', false),
    changedLimit,
    isHeld: false,
  }
}
