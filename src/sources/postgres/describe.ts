import { RestoreFailed } from '../../lib/errors.ts'
import { formatBytes } from '../../lib/size.ts'
import { exists } from '../../platform/files.ts'
import type { Replacement, RestoreTask } from '../source.ts'
import { type Database, findDatabase, serverFacts } from './catalog.ts'
import type { PostgresSettings } from './settings.ts'

const PREFIX = 'database:'

/** Where a restore goes: a database of the server, or a file of this host. */
export type Goal =
  | { readonly kind: 'file'; readonly path: string }
  /** Null: the one of the source itself. */
  | { readonly kind: 'database'; readonly name: string | null }

/** Throws `RestoreFailed` for a place that no database can have. */
export function goalOf(to: string | null): Goal {
  if (to === null) return { kind: 'database', name: null }
  if (to.startsWith(PREFIX)) {
    const name = to.slice(PREFIX.length)
    const bytes = Buffer.byteLength(name)
    if (bytes > 0 && bytes <= 63) return { kind: 'database', name }
    throw new RestoreFailed(`a database cannot be called "${name}"`, {
      hint: 'its name has 1 to 63 bytes',
    })
  }
  if (!to.startsWith('/')) {
    const hint = 'name a path, or a database with --to-database NAME'
    throw new RestoreFailed(`a database cannot be restored to ${to}`, { hint })
  }
  return { kind: 'file', path: to }
}

/** What a restore would replace, by looking at the server. */
export async function describeRestore(
  settings: PostgresSettings,
  task: RestoreTask,
  signal: AbortSignal,
): Promise<Replacement> {
  const { server, subject } = settings
  const goal = goalOf(task.to)
  if (goal.kind === 'file') {
    const now = (await exists(goal.path)) ? 'something that is there already' : 'nothing'
    return { to: goal.path, now, remarks: [] }
  }
  if (subject.kind === 'globals') {
    const remarks = ['roles that exist stay as they are; missing ones are made']
    return { to: `the roles of ${server.label}`, now: 'the roles that exist', remarks }
  }
  const name = goal.name ?? nameOf(settings) ?? (await serverFacts(server, null, signal)).database
  const to = `database ${name} on ${server.label}`
  const there = await findDatabase(server, name, signal)
  if (!there) return { to, now: 'nothing', remarks: [] }
  return {
    to,
    now: `database of ${formatBytes(there.bytes)}${sessionWords(there)}`,
    remarks: [...remarksOf(task, there, settings), ...(isUnasked(settings, task) ? [UNASKED] : [])],
  }
}

const UNASKED = 'its checks are not asked: they are for a database that is made anew'

function isUnasked({ checks }: PostgresSettings, { only, direct }: RestoreTask): boolean {
  return checks.length > 0 && (direct || only !== null)
}

export function nameOf({ subject }: PostgresSettings): string | null {
  return subject.kind === 'database' ? subject.name : null
}

/** ` with 3 sessions: web (2), psql`. */
export function sessionWords({ sessions }: Database): string {
  const total = sessions.reduce((sum, { count }) => sum + count, 0)
  if (total === 0) return ''
  const names = sessions.map(({ name, count }) => (count === 1 ? name : `${name} (${count})`))
  return ` with ${total} session${total === 1 ? '' : 's'}: ${names.join(', ')}`
}

function remarksOf(
  { only, direct }: RestoreTask,
  { sessions }: Database,
  { restart }: PostgresSettings,
): readonly string[] {
  const then = restart ? ', and the containers that they are of are restarted' : ''
  const ended =
    sessions.length === 0 ? [] : [`its sessions are ended when the new one takes its place${then}`]
  if (only !== null) {
    return [`only the rows of ${only} are replaced, in one transaction; nothing is kept of them`]
  }
  if (!direct) return ended
  return [
    'the live database is changed in one transaction, and nothing is kept of what it replaces',
    'what is not in the dump stays; owners are left out',
  ]
}
