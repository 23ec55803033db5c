import { open, rm } from 'node:fs/promises'
import { RestoreFailed } from '../../lib/errors.ts'
import { failureOf, startChain } from '../../platform/program.ts'
import { ask } from './ask.ts'
import { type Arrived, listOf, reading } from './content.ts'
import { loadSql, restoreArchive } from './load.ts'
import { ident, literal } from './sql.ts'
import type { Order } from './staging.ts'

/** A table by its schema and its name. */
interface Table {
  readonly schema: string
  readonly name: string
}

/**
 * Loads one table of an archive. Into a live database that has it only its rows are replaced, in one
 * transaction: the definition, indexes, triggers and rights that are there stay. Where there is none,
 * the definition comes with the rows, and neither indexes nor constraints: those are told as missing.
 */
export async function loadTable(
  arrived: Arrived,
  only: string,
  order: Order,
  signal: AbortSignal,
): Promise<{ readonly summary: string; readonly warnings: readonly string[] }> {
  if (arrived.kind !== 'archive') {
    throw new RestoreFailed(`${only} cannot be taken out of a plain dump`, {
      hint: 'restore all of it with --to-database NAME, and take the table from there',
    })
  }
  const { client } = order
  const table = chosen(await listOf(arrived.path, client, signal), only)
  const which = [`--schema=${table.schema}`, `--table=${table.name}`]
  const database = order.task.to === null ? order.goal : order.staged
  const load = { client, database, jobs: null }
  const summary = `table ${table.schema}.${table.name} of database ${order.goal}`
  if (order.task.to === null && (await isThere(order, table, signal))) {
    await replaceRows({ order, table, which, path: arrived.path }, signal)
    return { summary: `the rows of ${summary}`, warnings: [] }
  }
  if (order.task.to === null) {
    const args = [...which, '--no-owner', '--single-transaction', '--exit-on-error']
    await restoreArchive(arrived.path, args, load, signal)
    return { summary, warnings: [`${only} ${BARE}`] }
  }
  // Its columns may be of types that are declared anywhere: all definitions, then only its rows.
  await restoreArchive(arrived.path, ['--section=pre-data', '--exit-on-error'], load, signal)
  await restoreArchive(arrived.path, [...which, '--data-only', '--exit-on-error'], load, signal)
  return { summary, warnings: [`${only} ${BARE}; all other tables are there, and empty`] }
}

const BARE =
  'has its columns and rows; its indexes, constraints, triggers and rights are not restored'

/** The table that is meant; its rows must be in the archive, or a restore would be a deletion. */
function chosen(lines: readonly string[], only: string): Table {
  // `3345; 0 16406 TABLE DATA public orders app`; names with blanks are told by what is asked for.
  const tables = lines.flatMap((line) => / TABLE DATA (\S+) (.+) \S+$/.exec(line) ?? [])
  const found: Table[] = []
  for (let at = 0; at < tables.length; at += 3) {
    const [, schema = '', name = ''] = tables.slice(at, at + 3)
    if (only === name || only === `${schema}.${name}`) found.push({ schema, name })
  }
  const [table, ...others] = found
  if (table && others.length === 0) return table
  if (table) {
    const names = found.map(({ schema, name }) => `${schema}.${name}`)
    throw new RestoreFailed(`${only} may be ${names.join(' or ')}`, {
      hint: 'name its schema too: --only SCHEMA.TABLE',
    })
  }
  throw new RestoreFailed(`the archive holds no rows of a table ${only}`, {
    hint: 'see what it holds: write it to a file with --to FILE, then pg_restore --list FILE; of a partitioned table each partition is restored by itself',
  })
}

async function isThere(
  order: Order,
  { schema, name }: Table,
  signal: AbortSignal,
): Promise<boolean> {
  const sql = `select 1 as one from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = ${literal(schema)} and c.relname = ${literal(name)} and c.relkind = 'r'`
  const { server } = order.settings
  return (await ask(server, { database: order.goal, sql, signal })).length > 0
}

interface Replacing {
  readonly order: Order
  readonly table: Table
  readonly which: readonly string[]
  readonly path: string
}

/** The rows as SQL behind a TRUNCATE, run as one. A table that others refer to is refused by the server. */
async function replaceRows(
  { order, table, which, path }: Replacing,
  signal: AbortSignal,
): Promise<void> {
  const rows = `${order.path}.rows`
  try {
    await writeRows(rows, { order, table, which, path }, signal)
    await loadSql(rows, { client: order.client, database: order.goal, jobs: null }, signal)
  } finally {
    await rm(rows, { force: true })
  }
}

async function writeRows(
  rows: string,
  { order, table, which, path }: Replacing,
  signal: AbortSignal,
): Promise<void> {
  await using file = await open(rows, 'wx', 0o600)
  await file.write(`truncate only ${ident(table.schema)}.${ident(table.name)};\n`)
  const { program, stdin } = reading(order.client, [...which, '--data-only', '--file=-'], path)
  await using input = stdin === null ? null : await open(stdin)
  const options = { stdin: input === null ? null : input.fd, stdout: file.fd, signal }
  const [exit] = await (await startChain([program], options)).exits
  signal.throwIfAborted()
  const failure = exit && failureOf(exit)
  if (failure)
    throw new RestoreFailed(`the rows cannot be read: ${failure.tail}`, { cause: failure })
}
