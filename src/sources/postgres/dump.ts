import { mkdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { SourceFacts } from '../../core/manifest.ts'
import type { Bytes } from '../../core/model.ts'
import { Failure, messageOf, SourceFailed } from '../../lib/errors.ts'
import { formatBytes } from '../../lib/size.ts'
import { isSqlEnd, SQL_END } from '../../lib/sql-end.ts'
import { counted } from '../../platform/counted.ts'
import { type Exit, failureOf, type Program, startChain } from '../../platform/program.ts'
import type { Dump, SourceContext, SourceReport } from '../source.ts'
import { hintFor } from './ask.ts'
import { factsOf, findDatabase, majorOf, serverFacts } from './catalog.ts'
import type { Client } from './server.ts'
import type { PostgresSettings } from './settings.ts'

/** A run of pg_dump that is about to be read. */
interface Order {
  readonly settings: PostgresSettings
  readonly client: Client
  readonly database: string
  readonly facts: SourceFacts
  readonly context: SourceContext
}

/** One database as pg_dump writes it: one snapshot, however long it takes to read. */
export async function dumpOne(
  settings: PostgresSettings,
  name: string | null,
  context: SourceContext,
  signal: AbortSignal,
): Promise<Dump> {
  const { server } = settings
  const client = await server.client(signal)
  const facts = await serverFacts(server, name, signal)
  requireRecent(client, facts.version)
  const database = await findDatabase(server, facts.database, signal)
  if (!database) throw new SourceFailed(`database ${facts.database} is gone from ${server.label}`)
  const all = { ...factsOf(database, facts), format: settings.format }
  const order = { settings, client, database: database.name, facts: all, context }
  return settings.format === 'directory' ? await dumpFolder(order, signal) : dumpStream(order)
}

/** Throws `SourceFailed` for a client that would refuse the server: pg_dump takes no newer one than itself. */
export function requireRecent({ major }: Client, version: number): void {
  const wanted = majorOf(version)
  if (major >= wanted) return
  throw new SourceFailed(`the server is PostgreSQL ${wanted}, and pg_dump here is only ${major}`, {
    hint: `apt-get install postgresql-client-${wanted}`,
  })
}

function dumpStream(order: Order): Dump {
  const { settings, context, facts } = order
  const program = pgDump(order, formatArgs(settings))
  const end = endOf(order)
  const run = counted(program, { ...context, tail: end?.bytes ?? 0 })
  return {
    content: { kind: 'program', program: run.program },
    async finish(exit) {
      const account = await run.account(exit)
      const report = reportOf(order, account?.exit ?? exit, facts)
      if (account === null || account.bytes === null) {
        throw new SourceFailed(`not all of the dump of ${order.database} passed`)
      }
      const contentBytes = account.bytes as Bytes
      requireSize(order, contentBytes)
      if (end && !end.isThere(account.tail)) throw cutOff(`of ${order.database}`, end.what)
      return { ...report, facts: { ...facts, dumpBytes: contentBytes }, contentBytes }
    },
    [Symbol.asyncDispose]: () => run.remove(),
  }
}

/** How a dump shows that it is whole, beside what its program says. */
interface End {
  /** So many at its end tell. */
  readonly bytes: number
  readonly what: string
  isThere(tail: string): boolean
}

/** Of SQL the last line is the only end that it has. */
const END_OF_SQL: End = { bytes: SQL_END, what: 'its last line', isThere: isSqlEnd }

/**
 * A block of data ends by a length of zero, a sign and four bytes of it; where there is none, the list
 * of contents ends by a place of zero, longer still. Text of a table holds no such bytes, so only a cut
 * between two tables, or in large objects, goes unseen.
 */
const END_OF_ARCHIVE: End = {
  bytes: 5,
  what: 'the end of its last block',
  isThere: (tail) => tail === '\0'.repeat(5),
}

function endOf({ settings, client }: Order): End | null {
  if (settings.format === 'plain') return END_OF_SQL
  // An engine may end the stream of a program cleanly in the middle. Our own child's pipe cannot, and
  // to watch it costs a seventh of the whole dump's time on the processor.
  return client.hasOurFiles ? null : END_OF_ARCHIVE
}

/** Tables at once need a file each: they are written first, then archived. */
async function dumpFolder(order: Order, signal: AbortSignal): Promise<Dump> {
  const { settings, context } = order
  const home = join(context.scratch, `dump-${context.token}`)
  const folder = join(home, 'dump')
  const remove = () => rm(home, { recursive: true, force: true })
  await mkdir(home, { mode: 0o700 })
  try {
    const args = [...formatArgs(settings), `--file=${folder}`, `--jobs=${settings.jobs ?? 1}`]
    const chain = await startChain([pgDump(order, args)], { stdin: null, stdout: 'ignore', signal })
    const [ended] = await chain.exits
    signal.throwIfAborted()
    const { warnings } = reportOf(order, ended ?? null, order.facts)
    // Its own list of what the other files hold, written last.
    const list = await stat(join(folder, 'toc.dat')).catch(() => null)
    requireSize({ ...order, settings: { ...settings, minSize: null } }, list?.size ?? 0)
    return {
      content: { kind: 'program', program: tarOf(folder) },
      async finish(exit) {
        const failure = exit && failureOf(exit)
        if (exit === null || failure)
          throw new SourceFailed(`archive of the dump: ${failure?.message ?? ''}`)
        return { facts: order.facts, warnings, contentBytes: null }
      },
      [Symbol.asyncDispose]: remove,
    }
  } catch (error) {
    await remove()
    throw error
  }
}

function pgDump({ settings, client, database }: Order, args: readonly string[]): Program {
  return client.program(
    'pg_dump',
    [...args, `--lock-wait-timeout=${settings.lockTimeout}`],
    database,
  )
}

function formatArgs({ format, compress }: PostgresSettings): readonly string[] {
  // Restored by psql, which knows no --clean of its own.
  if (format === 'plain') return ['--format=plain', '--clean', '--if-exists']
  return [`--format=${format}`, `--compress=${compress}`]
}

function tarOf(folder: string): Program {
  const args = ['--create', '--file=-', '--format=posix', '--sort=name', '--numeric-owner']
  return { command: 'tar', args: [...args, `--directory=${folder}`, '.'], env: { LC_ALL: 'C' } }
}

/** What pg_dump said without failing over it, at most so many lines. */
const WARNINGS = 20

function reportOf(
  { settings, database }: Order,
  exit: Exit | null,
  facts: SourceFacts,
): SourceReport {
  const failure = exit && failureOf(exit)
  if (exit === null || failure) {
    const said = failure === null ? 'pg_dump was not run' : failure.tail || failure.message
    throw dumpFailed(`${database} on ${settings.server.label}`, said)
  }
  const said = exit.stderr.map((line) => line.replace(/^pg_dump(all)?: /, ''))
  const more = exit.stderrTotal - WARNINGS
  const rest = more > 0 ? [`${more} more lines of pg_dump`] : []
  return { facts, warnings: [...said.slice(0, WARNINGS), ...rest], contentBytes: null }
}

/** Whatever its program said of it. */
export function cutOff(what: string, missing = 'its last line'): SourceFailed {
  return new SourceFailed(`the dump ${what} is cut off: ${missing} is missing`)
}

export function dumpFailed(what: string, said: string): SourceFailed {
  const hint = hintOf(said)
  return new SourceFailed(`dump of ${what} failed: ${said}`, hint === null ? {} : { hint })
}

function hintOf(said: string): string | null {
  if (/permission denied/.test(said)) {
    return 'let the user read it: GRANT pg_read_all_data TO …; or name an owner of all tables in url'
  }
  if (/(lock|statement) timeout/.test(said))
    return 'a table was being altered for longer than lock_timeout'
  if (/terminating connection|server closed the connection/.test(said)) {
    return 'the database was dropped, or the server stopped, in the middle of the dump'
  }
  return hintFor(said)
}

/** The dump of an empty database has more, in each format. */
const USUAL_MIN_SIZE = 100 as Bytes

function requireSize({ settings, database }: Order, bytes: number): void {
  const minSize = settings.minSize ?? USUAL_MIN_SIZE
  if (bytes >= minSize) return
  throw new SourceFailed(
    `the dump of ${database} has ${formatBytes(bytes)}, less than min_size, ${formatBytes(minSize)}`,
    { hint: 'look at what the database holds; when that is right, lower min_size' },
  )
}

/** Failures of what stands between us and a server. */
const OF_ITS_WAY = new Set(['program_failed', 'engine_refused', 'engine_unreachable'])

/** The failure of a source that asks the server, by its own class whatever it was. */
export async function asSourceFailure<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof Failure) || error instanceof SourceFailed) throw error
    if (!OF_ITS_WAY.has(error.code)) throw error
    const hint = error.hint === null ? {} : { hint: error.hint }
    throw new SourceFailed(`${what}: ${messageOf(error)}`, { cause: error, ...hint })
  }
}
