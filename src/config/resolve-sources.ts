import { basename, isAbsolute, resolve } from 'node:path'
import { groupOf } from '../core/group.ts'
import type { DesiredSource, JobId, Options } from '../core/model.ts'
import type { Block, Item } from './block.ts'
import { blockOf, fault, flag, item, items, options, read, strings, text } from './block.ts'
import { databasesOf } from './resolve-databases.ts'

/** The job that a source belongs to. */
export interface SourceOwner {
  readonly id: JobId
  readonly organization: string | null
  readonly app: string | null
}

/** A source with the block that declares it. */
export interface PlacedSource {
  readonly source: DesiredSource
  readonly block: Block
}

/** The sources of a job in the order declared. */
export function resolveSources(job: Block, owner: SourceOwner): readonly PlacedSource[] {
  const short = item(job, 'source')
  const list = job.tree.entries.has('sources')
  if (short !== null && list) {
    fault(job, 'source', 'stands beside "sources"', 'write it into "sources"')
  }
  if (short === null && !list && !job.tree.entries.has('apps')) {
    job.context.faults.add(job.place, job.path, 'has no source', 'write "sources:", a list')
  }
  const found: readonly Item[] = short === null ? items(job, 'sources') : [short]
  const placed = found.flatMap((one) => {
    const block = blockOf(one, job.context)
    return block === null ? [] : placedSources(block, job, owner)
  })
  checkNames(placed)
  return placed
}

function placedSources(block: Block, job: Block, owner: SourceOwner): readonly PlacedSource[] {
  const kind = text(block, 'type') ?? ''
  const chosen = text(block, 'name')
  if (kind === 'volume') checkVolume(block)
  if (kind === 'mongo' && strings(block, 'databases').length > 1) {
    fault(block, 'databases', 'mongodump takes one database, or all', 'write a source for each')
  }
  if (kind === 'postgres' && flag(block, 'restart') && text(block, 'container') === null) {
    const hint = 'leave it out: what uses a server elsewhere is yours to restart'
    fault(block, 'restart', 'is for a server in a container', hint)
  }
  const found =
    kind === 'postgres'
      ? databasesOf(block, job)
      : [{ name: chosen ?? nameFor(kind, block), options: optionsOf(kind, block, job) }]
  const named = chosen === null ? {} : ({ isNamed: true } as const)
  return found.map(({ name, options: own }) => {
    const { organization, app, id } = owner
    const group = groupOf({ organization, app, job: id, source: name })
    return { block, source: { kind, name, group, options: own, ...named } }
  })
}

/** Servers whose dumps are text. */
const SQL_KINDS = new Set(['mysql', 'mariadb', 'mongo'])

/** A program that is named by a relative path lies beside the config, wherever the daemon was started. */
function optionsOf(kind: string, block: Block, job: Block): Options {
  const own = options(block, ['type', 'name'])
  // As Vardo writes and reads it: a dump, and not called so.
  if (SQL_KINDS.has(kind) && text(job, 'format') === 'vardo') return { ...own, extension: '.dump' }
  if (kind !== 'command') return own
  if (block.tree.entries.has('collect') && block.tree.entries.has('extension')) {
    fault(block, 'extension', 'has no meaning beside "collect": a collected directory is a .tar')
  }
  const { backup, restore } = own
  return {
    ...own,
    ...(Array.isArray(backup) ? { backup: located(backup, block) } : {}),
    ...(Array.isArray(restore) ? { restore: located(restore, block) } : {}),
  }
}

function located(argv: readonly Options[string][], block: Block): readonly Options[string][] {
  const [program, ...rest] = argv
  if (typeof program !== 'string' || !program.includes('/') || isAbsolute(program)) return argv
  return [resolve(block.context.folder, program), ...rest]
}

/** What the source is called when it has no name of its own. */
function nameFor(kind: string, block: Block): string {
  const written = usualName(kind, block)
  const name = basename(written).replaceAll(/[^A-Za-z0-9._-]+/g, '-')
  if (!/^\.{0,2}$/.test(name)) return name
  // An unreadable block is at fault already.
  if (written !== '') block.context.faults.add(block.place, block.path, 'needs a "name" of its own')
  return 'unnamed'
}

function usualName(kind: string, block: Block): string {
  switch (kind) {
    case 'command':
      return strings(block, 'backup')[0] ?? ''
    case 'volume':
      return text(block, 'volume') ?? text(block, 'app') ?? ''
    case 'bucket':
      return text(block, 'from') ?? ''
    case 'hiqlite':
      return kind
    case 'mysql':
    case 'mariadb':
    case 'mongo':
      return databaseName(kind, block)
    default:
      return text(block, 'path') ?? ''
  }
}

function databaseName(kind: string, block: Block): string {
  const databases = read(block, 'databases')
  const [only, more] = Array.isArray(databases) ? databases : [databases]
  if (typeof only === 'string' && only !== 'all' && more === undefined) return only
  return text(block, 'container') ?? kind
}

function checkVolume(block: Block): void {
  if (block.tree.entries.has('volume') || block.tree.entries.has('app')) return
  block.context.faults.add(block.place, block.path, 'one of "volume", "app" is missing')
}

function checkNames(placed: readonly PlacedSource[]): void {
  const seen = new Set<string>()
  for (const { source, block } of placed) {
    if (seen.has(source.name)) {
      const message = `a second source named "${source.name}" in this job`
      block.context.faults.add(block.place, block.path, message, 'give one of them a "name"')
    }
    seen.add(source.name)
  }
}
