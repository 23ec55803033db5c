import { type EngineAddress, parseEngineAddress, USUAL_ENGINE } from '../core/engine-address.ts'
import type { Bytes } from '../core/model.ts'
import type { Section } from '../core/section.ts'
import { ConfigError } from '../lib/errors.ts'
import { MARIADB, MONGO, MYSQL } from './by-container/dialects.ts'
import { dumpServer } from './by-container/dump.ts'
import { describeServer, stageServer, sweepServer } from './by-container/restore.ts'
import type { Dialect, ServerSettings } from './by-container/settings.ts'
import type { SourceKind } from './source.ts'

/** A MySQL server in a container, all of its databases in one dump. */
export const mysql: SourceKind = kindOf(MYSQL)
/** A MariaDB server in a container, all of its databases in one dump. */
export const mariadb: SourceKind = kindOf(MARIADB)
/** A MongoDB server in a container, all of its databases in one archive of mongodump. */
export const mongo: SourceKind = kindOf(MONGO)

function kindOf(dialect: Dialect): SourceKind {
  return {
    kind: dialect.kind,
    configure(section) {
      const settings = readSettings(section, dialect)
      return {
        layer: dialect.layer,
        extension: section.optional('extension') ?? dialect.extension,
        path: null,
        dump: (context, signal) => dumpServer(settings, context, signal),
        describe: (task, signal) => describeServer(settings, task, signal),
        stage: (task, context, signal) => stageServer(settings, task, context, signal),
        sweep: sweepServer,
      }
    },
  }
}

function readSettings(section: Section, dialect: Dialect): ServerSettings {
  return {
    dialect,
    container: section.string('container'),
    host: hostOf(section),
    databases: databasesOf(section),
    minSize: section.size('min_size', 100 as Bytes),
  }
}

/** Empty for all. */
function databasesOf(section: Section): readonly string[] {
  try {
    const one = section.optional('databases')
    return one === null || one === 'all' ? [] : [one]
  } catch {
    return section.strings('databases')
  }
}

function hostOf(section: Section): EngineAddress {
  const text = section.optional('docker') ?? USUAL_ENGINE
  const address = parseEngineAddress(text)
  if (address.kind !== 'bad') return address
  const message = `docker: ${address.why}`
  const path = `${section.path}.container`
  throw new ConfigError([{ at: section.path, path, message, hint: null }])
}
