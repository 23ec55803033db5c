import { isAbsolute } from 'node:path'
import type { Bytes } from '../core/model.ts'
import type { Section } from '../core/section.ts'
import { ConfigError } from '../lib/errors.ts'
import { Secret } from '../lib/secret.ts'
import { dumpCollected } from './command/collect.ts'
import { describeCommand } from './command/describe.ts'
import { dumpOutput } from './command/output.ts'
import type { CommandSettings } from './command/settings.ts'
import { stageCommand, sweepStaged } from './command/staging.ts'
import type { SourceKind } from './source.ts'

/** What a program writes to its standard output, or the folder that it fills. */
export const command: SourceKind = {
  kind: 'command',
  configure(section) {
    const settings = readSettings(section)
    const { collect } = settings
    return {
      layer: collect === null ? 'raw' : 'tar',
      extension: collect === null ? settings.extension : '.tar',
      path: null,
      dump: (context, signal) =>
        collect === null
          ? dumpOutput(settings, context, signal)
          : dumpCollected({ ...settings, collect }, context, signal),
      describe: (task, signal) => describeCommand(settings, task, signal),
      stage: (task, context, signal) => stageCommand(settings, task, context, signal),
      sweep: sweepStaged,
    }
  },
}

function readSettings(section: Section): CommandSettings {
  const fault = (key: string, message: string) =>
    new ConfigError([{ at: section.path, path: `${section.path}.${key}`, message, hint: null }])
  const backup = section.strings('backup')
  const restore = section.strings('restore')
  if (!isArgv(backup)) throw fault('backup', 'must name a program and its arguments, as a list')
  if (restore.length > 0 && !isArgv(restore)) throw fault('restore', 'must begin with a program')
  const cwd = section.optional('cwd')
  if (cwd !== null && !isAbsolute(cwd)) throw fault('cwd', `must be absolute, not ${cwd}`)
  const extension = section.optional('extension') ?? ''
  if (!/^((\.[A-Za-z0-9_-]+)+)?$/.test(extension)) {
    throw fault('extension', 'must be an extension such as .sql')
  }
  const collect = section.optional('collect')
  if (collect !== null && extension !== '') {
    throw fault('extension', 'does not go with collect: a collected folder is a .tar')
  }
  return {
    backup,
    restore: isArgv(restore) ? restore : null,
    extension,
    collect,
    cwd,
    minSize: section.size('min_size', 1 as Bytes),
    env: new Map(
      Object.entries(section.table('env')).map(([name, value]) => [
        name,
        value instanceof Secret ? value : new Secret(value),
      ]),
    ),
  }
}

function isArgv(words: readonly string[]): words is readonly [string, ...string[]] {
  return words[0] !== undefined && words[0] !== ''
}
