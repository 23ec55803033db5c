import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { count } from '../../lib/count.ts'
import { RestoreFailed } from '../../lib/errors.ts'
import { formatBytes } from '../../lib/size.ts'
import { freeBytes } from '../../platform/files.ts'
import { stageFile, sweepFile } from '../../platform/staged-file.ts'
import type { RestoreTask, SourceContext, Staged, Staging } from '../source.ts'
import { SqlFailed } from './ask.ts'
import {
  askBeside,
  type Database,
  findDatabase,
  majorOf,
  type ServerFacts,
  serverFacts,
} from './catalog.ts'
import { askChecks } from './checks.ts'
import { type Arrived, inspect, refuseNewer } from './content.ts'
import { goalOf, nameOf, sessionWords } from './describe.ts'
import { loadOver, ROLES_FIRST } from './load.ts'
import { fillBeside } from './load-beside.ts'
import { loadGlobals } from './load-globals.ts'
import { previousName, stagedName } from './names.ts'
import { createDatabase, shapeOf } from './properties.ts'
import { dropDatabase } from './realm.ts'
import { withRestart } from './restart-clients.ts'
import type { Client } from './server.ts'
import type { PostgresSettings } from './settings.ts'
import { loadTable } from './table.ts'

/** One restore of one dump. */
export interface Order {
  readonly settings: PostgresSettings
  readonly client: Client
  readonly facts: ServerFacts
  readonly task: RestoreTask
  /** The database that will hold it in the end. */
  readonly goal: string
  /** What that name holds now. */
  readonly live: Database | null
  /** The fresh one beside. */
  readonly staged: string
  /** The dump in scratch. */
  readonly path: string
}

/** Takes a dump as a file in scratch; the server hears of it only when all of it is there. */
export async function stageDump(
  settings: PostgresSettings,
  task: RestoreTask,
  context: SourceContext,
  signal: AbortSignal,
): Promise<Staging> {
  return await asRestoreFailure(() => stage(settings, task, context, signal))
}

async function stage(
  settings: PostgresSettings,
  task: RestoreTask,
  context: SourceContext,
  signal: AbortSignal,
): Promise<Staging> {
  const goal = goalOf(task.to)
  if (goal.kind === 'file') {
    if (task.only === null) return await stageFile(goal.path, context.token)
    throw new RestoreFailed('a dump is written to a file whole, not only a table of it', {
      hint: 'name a database for the table with --to-database NAME',
    })
  }
  const { server } = settings
  const client = await server.client(signal)
  const facts = await serverFacts(server, null, signal)
  refuseNewer(majorOfFacts(task), { label: server.label, version: facts.version })
  const name = goal.name ?? nameOf(settings) ?? facts.database
  const live = await findDatabase(server, name, signal)
  const path = join(context.scratch, `restore-${context.token}.dump`)
  const staged = stagedName(name, context.token)
  const order = { settings, client, facts, task, goal: name, live, staged, path }
  requireSense(order)
  await requireRoom(order, context)
  if (!isInto(order)) await requireRight(order, signal)
  const staging: Staging = {
    sink: { kind: 'file', path, isScratch: true },
    immediate: isInto(order) || isOfGlobals(order),
    finish: (_exit, finishSignal) => asRestoreFailure(() => finish(order, finishSignal)),
    async discard() {
      await rm(path, { force: true })
      await rm(`${path}.d`, { recursive: true, force: true })
      if (!isInto(order) && !isOfGlobals(order)) await dropDatabase(server, staged, never)
    },
  }
  const isReplaced = task.to === null && !isInto(order) && !isOfGlobals(order)
  if (!settings.restart || !isReplaced || !server.place) return staging
  return withRestart(staging, { server, place: server.place, database: name })
}

const never = new AbortController().signal

/** Removes the database, or the file, that the restore of `token` filled. */
export async function sweepStaged(
  settings: PostgresSettings,
  { to, token }: { readonly to: string | null; readonly token: string },
): Promise<void> {
  const goal = goalOf(to)
  if (goal.kind === 'file') return await sweepFile(goal.path, token)
  const { server } = settings
  if (settings.subject.kind === 'globals') return
  const name = goal.name ?? nameOf(settings) ?? (await serverFacts(server, null, never)).database
  await dropDatabase(server, stagedName(name, token), never)
}

/** Whether the live database itself is changed, and none made beside it. */
function isInto({ task }: Order): boolean {
  return task.to === null && (task.direct || task.only !== null)
}

function isOfGlobals({ settings, task }: Order): boolean {
  return typeof task.facts.globals === 'boolean'
    ? task.facts.globals
    : settings.subject.kind === 'globals'
}

function majorOfFacts({ facts }: RestoreTask): number | null {
  return typeof facts.serverVersion === 'number' ? majorOf(facts.serverVersion) : null
}

function requireSense(order: Order): void {
  const { task, live, goal } = order
  if (isOfGlobals(order) && (task.to !== null || task.only !== null)) {
    throw new RestoreFailed('roles belong to the server, not to a database', {
      hint: 'restore them without --to-database, or write them to a file with --to FILE',
    })
  }
  if (task.to !== null && task.direct) {
    throw new RestoreFailed('--in-place and a place elsewhere exclude each other')
  }
  if (task.to !== null && live !== null) {
    throw new RestoreFailed(`database ${goal} exists already and is not overwritten`, {
      hint: 'name a database that does not exist yet',
    })
  }
  if (isInto(order) && live === null) {
    throw new RestoreFailed(`there is no database ${goal} to restore into`, {
      hint: 'leave --in-place and --only out: then it is made anew',
    })
  }
}

/** Throws `RestoreFailed` when scratch cannot hold the dump: known where it was counted, else estimated low. */
async function requireRoom({ task }: Order, { scratch }: SourceContext): Promise<void> {
  const { dumpBytes, databaseBytes } = task.facts
  const known = typeof dumpBytes === 'number' ? dumpBytes : null
  const guessed = typeof databaseBytes === 'number' ? databaseBytes / 10 : 0
  const free = await freeBytes(scratch)
  if (free >= (known ?? guessed)) return
  const size = known === null ? 'some' : formatBytes(known)
  throw new RestoreFailed(`the dump takes ${size}, and ${scratch} has ${formatBytes(free)} free`, {
    at: scratch,
    hint: 'free some space there, or set scratch_dir to a larger disk',
  })
}

/** Throws `RestoreFailed` for a user who may neither make nor rename a database: said before hours of loading. */
async function requireRight({ settings, facts }: Order, signal: AbortSignal): Promise<void> {
  if (settings.subject.kind === 'globals') return
  const sql = 'select rolcreatedb or rolsuper as may from pg_roles where rolname = current_user'
  const [right] = await askBeside<{ readonly may: boolean }>(settings.server, sql, signal)
  if (right?.may) return
  throw new RestoreFailed(`${facts.user} may not create databases on ${settings.server.label}`, {
    hint: `ALTER ROLE ${facts.user} CREATEDB, or restore with --in-place`,
  })
}

/** What a server refuses of a restore is the failure of the restore. */
async function asRestoreFailure<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof SqlFailed)) throw error
    const hint = /role "[^"]*" does not exist/.test(error.message) ? ROLES_FIRST : error.hint
    throw new RestoreFailed(error.message, { cause: error, ...(hint === null ? {} : { hint }) })
  }
}

async function finish(order: Order, signal: AbortSignal): Promise<Staged> {
  const { client, facts, path, settings } = order
  const arrived = await inspect(path, client, signal)
  refuseNewer(arrived.made.server, { label: settings.server.label, version: facts.version })
  if (arrived.kind === 'globals') {
    return taken(await loadGlobals(settings.server, arrived.path, order.task, signal))
  }
  if (isOfGlobals(order))
    throw new RestoreFailed('the content is a dump of a database, not of roles')
  if (!isInto(order)) return await finishBeside(order, arrived, signal)
  const load = { client, database: order.goal, jobs: null }
  if (order.task.only !== null) {
    const { summary, warnings } = await loadTable(arrived, order.task.only, order, signal)
    return taken({ summary, warnings })
  }
  await loadOver(arrived, load, signal)
  return taken({ summary: `${words(order, arrived)} into the live database`, warnings: [] })
}

function taken(done: Pick<Staged, 'summary' | 'warnings'>): Staged {
  return { moves: [], previous: null, leftovers: [], ...done }
}

async function finishBeside(order: Order, arrived: Arrived, signal: AbortSignal): Promise<Staged> {
  const { goal, live, settings, staged, task } = order
  const { server } = settings
  await createDatabase(server, staged, live ?? shapeOf(task.facts), signal)
  const warnings = await fillBeside(order, arrived, signal)
  // With its settings, which say where names are looked for; of one table alone nothing else is there.
  if (task.only === null) await askChecks(server, staged, settings.checks, signal)
  // Looked at again, last: loading may have taken hours.
  const there = await findDatabase(server, goal, signal)
  if (task.to !== null && there) {
    throw new RestoreFailed(`database ${goal} came to exist meanwhile`)
  }
  const previous = there ? previousName(goal, new Date()) : null
  const ended = there && sessionWords(there)
  const next = settings.restart ? '' : `; ${YOURS}`
  return {
    moves: [
      ...(previous === null ? [] : [{ from: goal, to: previous }]),
      { from: staged, to: goal },
    ],
    previous,
    leftovers: [],
    summary: words(order, arrived) + checkWords(order),
    warnings: [...warnings, ...(ended ? [`the old database is taken away${ended}${next}`] : [])],
  }
}

const YOURS = 'nothing is restarted: what used it connects again by itself, or is yours to restart'

function words({ goal }: Order, { made }: Arrived): string {
  return `database ${goal}${made.server === null ? '' : ` from a dump of PostgreSQL ${made.server}`}`
}

function checkWords({ settings, task }: Order): string {
  const { length } = settings.checks
  return length === 0 || task.only !== null ? '' : `, ${count(length, 'check', 'checks')} passed`
}
