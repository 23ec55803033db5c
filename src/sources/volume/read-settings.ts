import { type EngineAddress, parseEngineAddress, USUAL_ENGINE } from '../../core/engine-address.ts'
import type { Millis } from '../../core/model.ts'
import type { Section } from '../../core/section.ts'
import { ConfigError } from '../../lib/errors.ts'
import { parsePatterns } from '../tree/excludes.ts'
import type { Hooks, VolumeSettings } from './settings.ts'

const DEFAULT_CHANGED_LIMIT = 0.05
const STOP_TIMEOUT = 30_000 as Millis
const HOOK_TIMEOUT = 300_000 as Millis

const STRATEGIES = ['auto', 'tar', 'dump'] as const
const WAYS = ['auto', 'path', 'helper', 'engine'] as const

/** Reads the block of a volume source. Throws `ConfigError` naming the key at fault. */
export function readSettings(section: Section): VolumeSettings {
  const excludes = parsePatterns(section.strings('exclude'))
  if ('fault' in excludes) throw fault(section, 'exclude', excludes.fault)
  const changedLimit = section.number('changed_limit', DEFAULT_CHANGED_LIMIT)
  if (!(changedLimit >= 0 && changedLimit <= 1)) {
    throw fault(section, 'changed_limit', 'must be between 0 and 1')
  }
  return {
    address: addressOf(section),
    subject: subjectOf(section),
    strategy: oneOf(section, 'strategy', STRATEGIES),
    via: oneOf(section, 'via', WAYS),
    image: section.optional('image'),
    excludes,
    allowEmpty: section.flag('allow_empty', true),
    changedLimit,
    quiet: quietOf(section),
    stopTimeout: duration(section, 'stop_timeout', STOP_TIMEOUT),
    restart: section.flag('restart', false),
    hooks: hooksOf(section),
  }
}

function fault(section: Section, key: string, message: string): ConfigError {
  return new ConfigError([
    { at: section.path, path: `${section.path}.${key}`, message, hint: null },
  ])
}

/** What the file says of the engine stands in each source that needs one. */
function addressOf(section: Section): EngineAddress {
  const address = parseEngineAddress(section.optional('docker') ?? USUAL_ENGINE)
  if (address.kind === 'bad') throw fault(section, 'docker', address.why)
  return address
}

function subjectOf(section: Section): VolumeSettings['subject'] {
  const volume = section.optional('volume')
  const app = section.optional('app')
  if (volume === null && app === null) throw fault(section, 'volume', 'is missing')
  return { volume, app, environment: section.optional('env') ?? 'production' }
}

function quietOf(section: Section): VolumeSettings['quiet'] {
  const stop = section.flag('stop', false)
  const pause = section.flag('pause', false)
  if (stop && pause) throw fault(section, 'pause', 'does not go with stop: choose one of them')
  if (stop) return 'stop'
  return pause ? 'pause' : null
}

function hooksOf(section: Section): Hooks {
  const exec = section.block('exec')
  const argv = (from: Section | null, key: string) => {
    const words = from?.strings(key) ?? []
    if (from && words.length > 0 && words[0] === '') {
      throw fault(from, key, 'must name a program and its arguments, as a list')
    }
    return words
  }
  return {
    before: argv(section, 'before'),
    after: argv(section, 'after'),
    execBefore: argv(exec, 'before'),
    execAfter: argv(exec, 'after'),
    container: exec?.optional('container') ?? null,
    user: exec?.optional('run_as') ?? null,
    timeout: duration(section, 'hook_timeout', HOOK_TIMEOUT),
  }
}

function duration(section: Section, key: string, otherwise: Millis): Millis {
  const millis = section.number(key, otherwise)
  if (!(millis > 0)) throw fault(section, key, 'must be more than nothing')
  return millis as Millis
}

function oneOf<const T extends string>(
  section: Section,
  key: string,
  words: readonly [T, ...T[]],
): T {
  const written = section.optional(key) ?? words[0]
  const found = words.find((word) => word === written)
  if (found === undefined) throw fault(section, key, `must be one of ${words.join(', ')}`)
  return found
}
