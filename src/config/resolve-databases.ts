import { fitName } from '../core/members.ts'
import type { Options } from '../core/model.ts'
import type { Block } from './block.ts'
import { fault, flag, options, read, text } from './block.ts'

/** One of the sources that a declaration of databases stands for. */
export interface NamedOptions {
  readonly name: string
  readonly options: Options
}

/**
 * The sources that one declaration of a PostgreSQL server stands for: each database that it names, and
 * before them the roles, which a restore wants first. `all` stays one, for only the server knows them.
 */
export function databasesOf(block: Block, job: Block): readonly NamedOptions[] {
  const own = text(block, 'name')
  const shared = sharedOptions(block, job)
  const globals = flag(block, 'globals') ?? false
  const names = namesOf(block)
  if (names === 'all') {
    return [
      {
        name: own ?? usualName(block),
        options: { ...shared, databases: 'all', globals },
      },
    ]
  }
  const several = names.length > 1
  const databases = names.map((database): NamedOptions => {
    const name = several ? within(own, fitName(database)) : (own ?? fitName(database))
    return { name, options: { ...shared, database } }
  })
  // The one that the address names; what that is called may be a secret's part.
  const found =
    names.length === 0 ? [{ name: own ?? usualName(block), options: shared }] : databases
  const roles = { name: within(own, 'globals'), options: { ...shared, globals: true } }
  return globals ? [roles, ...found] : found
}

function namesOf(block: Block): readonly string[] | 'all' {
  const databases = read(block, 'databases')
  if (databases === 'all') return 'all'
  const names = Array.isArray(databases) ? databases : [databases]
  const known = names.filter((name) => typeof name === 'string')
  if (known.includes('all')) fault(block, 'databases', '"all" stands alone', 'databases: all')
  return known
}

function within(prefix: string | null, name: string): string {
  return prefix === null ? name : `${prefix}.${name}`
}

function usualName(block: Block): string {
  const container = text(block, 'container')
  return container === null ? 'postgres' : fitName(container)
}

function sharedOptions(block: Block, job: Block): Options {
  const own = options(block, ['type', 'name', 'databases', 'globals'])
  // As Vardo writes and reads them: SQL, and not called so.
  if (text(job, 'format') !== 'vardo') return own
  return { ...own, format: 'plain', extension: '.dump' }
}
