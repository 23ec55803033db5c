import { readFile, stat } from 'node:fs/promises'
import { messageOf, RestoreFailed } from '../../lib/errors.ts'
import type { RestoreTask } from '../source.ts'
import { askBeside, tellBeside } from './catalog.ts'
import type { Server } from './server.ts'
import { aboutOf, statementsOf } from './statements.ts'

/** Roles of more would be no dump of roles. */
const MAX_BYTES = 64 * 1024 * 1024
const LIMIT = 600_000

/**
 * Makes the roles of a dump that the server lacks, with their settings and memberships, in one
 * transaction. Roles that exist keep their password and their rights, unless `force` says otherwise:
 * the one that we are connected as is among them. Tablespaces come last, each for itself, for the
 * server makes none in a transaction; one whose folder is missing is told.
 */
export async function loadGlobals(
  server: Server,
  path: string,
  { force }: Pick<RestoreTask, 'force'>,
  signal: AbortSignal,
): Promise<{ readonly summary: string; readonly warnings: readonly string[] }> {
  if ((await stat(path)).size > MAX_BYTES) throw new RestoreFailed('the dump of roles is too large')
  const all = statementsOf(await readFile(path, 'utf8')).map((sql) => ({ sql, ...aboutOf(sql) }))
  const roles = await namesIn(server, 'select rolname as name from pg_roles', signal)
  const spaces = await namesIn(server, 'select spcname as name from pg_tablespace', signal)
  const created = all.filter(({ kind, name }) => kind === 'create-role' && !roles.has(name))
  const fresh = new Set(created.map(({ name }) => name))
  const altered = all.filter(({ kind, name }) => kind === 'role' && (force || fresh.has(name)))
  const lines = ['begin;', ...[...created, ...altered].map(({ sql }) => `${sql};`), 'commit;']
  await tellBeside(server, { about: [], sql: lines.join('\n'), timeLimit: LIMIT, signal })
  const missing = all.filter(({ kind, name }) => kind.endsWith('tablespace') && !spaces.has(name))
  const warnings: string[] = []
  for (const { sql } of missing) {
    await tellBeside(server, { about: [], sql: `${sql};`, timeLimit: LIMIT, signal }).catch(
      (error: unknown) => {
        signal.throwIfAborted()
        warnings.push(`${sql.split(' LOCATION ')[0]}: ${messageOf(error)}`)
      },
    )
  }
  return { summary: summaryOf(fresh.size), warnings: [...kept(all, roles, force), ...warnings] }
}

async function namesIn(
  server: Server,
  sql: string,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const rows = await askBeside<{ readonly name: string }>(server, sql, signal)
  return new Set(rows.map(({ name }) => name))
}

function summaryOf(made: number): string {
  return `roles: ${made} made`
}

function kept(
  all: readonly { readonly kind: string; readonly name: string }[],
  roles: ReadonlySet<string>,
  force: boolean,
): readonly string[] {
  const names = all
    .filter(({ kind, name }) => kind === 'create-role' && roles.has(name))
    .map(({ name }) => name)
  if (names.length === 0) return []
  const how = force ? 'were altered to what they were' : 'were left as they are'
  return [`${names.length} exist already and ${how}: ${names.join(', ')}`]
}
