import process from 'node:process'
import { type EngineAddress, parseEngineAddress, USUAL_ENGINE } from '../core/engine-address.ts'
import type { Bytes, Millis } from '../core/model.ts'
import type { Section } from '../core/section.ts'
import { ConfigError, SourceFailed } from '../lib/errors.ts'
import { parseAddress } from './postgres/address.ts'
import type { Check } from './postgres/checks.ts'
import { serverInContainer } from './postgres/container.ts'
import { describeRestore, goalOf } from './postgres/describe.ts'
import { asSourceFailure, dumpOne } from './postgres/dump.ts'
import { dumpGlobals } from './postgres/dump-globals.ts'
import { findTrouble } from './postgres/findings.ts'
import { databasesOf } from './postgres/members.ts'
import { databaseRealm } from './postgres/realm.ts'
import { type Server, serverByAddress } from './postgres/server.ts'
import type { DumpFormat, PostgresSettings, Subject } from './postgres/settings.ts'
import { stageDump, sweepStaged } from './postgres/staging.ts'
import type { Dump, SourceContext, SourceKind } from './source.ts'

/** A PostgreSQL database, or the roles of a server, by the client programs of PostgreSQL. */
export const postgres: SourceKind = {
  kind: 'postgres',
  configure(section) {
    const settings = readSettings(section)
    const isSql = settings.subject.kind === 'globals' || settings.format === 'plain'
    const isFolder = !isSql && settings.format === 'directory'
    return {
      layer: isSql ? 'sql' : isFolder ? 'tar' : 'pgdump',
      extension: isSql ? settings.extension : isFolder ? '.tar' : '.dump',
      path: null,
      dump: (context, signal) =>
        asSourceFailure(settings.server.label, () => dump(settings, context, signal)),
      describe: (task, signal) => describeRestore(settings, task, signal),
      stage: (task, context, signal) => stageDump(settings, task, context, signal),
      realm: (to) => (goalOf(to).kind === 'file' ? null : databaseRealm(settings.server)),
      inspect: (signal) => findTrouble(settings, signal),
      sweep: (restore) => sweepStaged(settings, restore),
      sweepsBeside: true,
    }
  },
  async members(section, signal) {
    const { server, subject } = readSettings(section)
    if (subject.kind !== 'all') return null
    return await databasesOf(server, section.flag('globals', false), signal)
  },
}

function dump(
  settings: PostgresSettings,
  context: SourceContext,
  signal: AbortSignal,
): Promise<Dump> {
  const { subject, server } = settings
  switch (subject.kind) {
    case 'globals':
      return dumpGlobals(settings, context, signal)
    case 'database':
      return dumpOne(settings, subject.name, context, signal)
    case 'all':
      throw new SourceFailed(`nobody could tell yet which databases ${server.label} has`)
  }
}

function readSettings(section: Section): PostgresSettings {
  const format = (section.optional('format') ?? 'custom') as DumpFormat
  const jobs = section.number('jobs', 0)
  const minSize = section.size('min_size', -1 as Bytes)
  return {
    server: serverOf(section),
    subject: subjectOf(section),
    format,
    extension: section.optional('extension') ?? '.sql',
    compress: section.number('compress', 0),
    jobs: jobs === 0 ? null : jobs,
    minSize: minSize < 0 ? null : minSize,
    lockTimeout: section.number('lock_timeout', 600_000) as Millis,
    rolePasswords: section.flag('role_passwords', false),
    restart: section.flag('restart', false),
    checks: section.blocks('checks').map(checkOf),
  }
}

function checkOf(section: Section): Check {
  return {
    name: section.string('name'),
    sql: section.string('sql'),
    expect: section.optional('expect'),
    timeout: section.number('timeout', 300_000) as Millis,
  }
}

function subjectOf(section: Section): Subject {
  const database = section.optional('database')
  if (database !== null) return { kind: 'database', name: database }
  if (section.optional('databases') === 'all') return { kind: 'all' }
  return section.flag('globals', false) ? { kind: 'globals' } : { kind: 'database', name: null }
}

function serverOf(section: Section): Server {
  const container = section.optional('container')
  const url = section.secret('url')
  if (container !== null && url !== null) throw fault(section, 'container', 'does not go with url')
  if (container !== null) {
    if (section.optional('format') === 'directory') {
      throw fault(section, 'format', 'directory takes a server that is reached by url')
    }
    return serverInContainer(engineOf(section), container)
  }
  const address = parseAddress(url, process.env)
  if (address !== null) return serverByAddress(address, process.env)
  throw fault(section, 'url', 'must be an address such as postgres://user:password@host/database')
}

function engineOf(section: Section): EngineAddress {
  const text = section.optional('docker') ?? USUAL_ENGINE
  const address = parseEngineAddress(text)
  if (address.kind === 'bad') throw fault(section, 'container', `docker: ${address.why}`)
  return address
}

function fault(section: Section, key: string, message: string): ConfigError {
  const path = `${section.path}.${key}`
  return new ConfigError([{ at: section.path, path, message, hint: null }])
}
