import { type RawBuilder, sql, type Transaction } from 'kysely'
import { StateRefused } from '../lib/errors.ts'
import { type Engine, reading } from './engine.ts'
import { EXCHANGED, type Exchanged, SHAPES, type StateRow, type Value } from './exchange.ts'
import { stateVersion } from './migration.ts'
import type { Row } from './rows.ts'
import type { Store } from './store.ts'
import type { Tables } from './tables.ts'
import type { Write } from './write.ts'

/** Rows read at once, and rows in one insert: both databases take as many values. */
const AT_ONCE = 500
/** What a state that was worked with holds. Numbers of leases and facts come before any work. */
const WORK: readonly Exchanged[] = ['runs', 'backups', 'restores', 'applied', 'journal', 'pauses']

type Tx = Transaction<Tables>

/** Moving a whole state, in and out. */
export function exchangeMethods(
  engine: Engine,
  write: Write,
): Pick<Store, 'exportTo' | 'importFrom'> {
  return {
    exportTo(take) {
      const first = once('export')
      return reading(engine, 'export the state', async (tx) => {
        first()
        await take.head(await stateVersion(tx))
        for (const table of EXCHANGED) await exportTable(engine, tx, { table, take: take.rows })
      })
    },
    importFrom(rows) {
      const first = once('import')
      return write('import the state', async (tx) => {
        first()
        await engine.alone(tx, 'import')
        await checkEmpty(tx)
        for await (const some of batches(rows)) await insert(tx, some)
      })
    },
  }
}

/** Lines that were written, or read, do not come again for a second try. */
function once(what: string): () => void {
  let tries = 0
  return () => {
    if (++tries === 1) return
    throw new StateRefused(`the database was lost midway through the ${what}`, {
      hint: 'begin it anew',
    })
  }
}

interface Exporting {
  readonly table: Exchanged
  readonly take: (rows: readonly StateRow[]) => Promise<void>
}

/** Page by page along the key: the memory that it takes does not grow with the table. */
async function exportTable(engine: Engine, tx: Tx, { table, take }: Exporting): Promise<void> {
  const { key, columns } = SHAPES[table]
  const listed = sql.join(columns.map((column) => sql.ref(column)))
  const keys = sql.join(key.map((column) => sql.ref(column)))
  let after: RawBuilder<unknown> = sql`1 = 1`
  for (;;) {
    const query = sql`
      select ${listed} from ${sql.table(table)} where ${after} order by ${keys}
      limit ${sql.lit(AT_ONCE)}`
    const page = await engine.rows(tx, query.compile(tx), (row) => named(columns, row))
    if (page.length > 0) await take(page.map((row) => ({ table, row })))
    const last = page.at(-1)
    if (!last || page.length < AT_ONCE) return
    after = sql`(${keys}) > (${sql.join(key.map((column) => last[column]))})`
  }
}

function named(columns: readonly string[], row: Row): Readonly<Record<string, Value>> {
  return Object.fromEntries(columns.map((column, index) => [column, row[index] ?? null]))
}

async function checkEmpty(tx: Tx): Promise<void> {
  for (const table of WORK) {
    const { rows } = await sql`select 1 from ${sql.table(table)} limit 1`.execute(tx)
    if (rows.length === 0) continue
    throw new StateRefused(`the state is not empty: it holds ${table}`, {
      hint: 'a state is imported into one that is new: name another database in state, or another data_dir',
    })
  }
}

async function* batches(rows: AsyncIterable<StateRow>): AsyncGenerator<readonly StateRow[]> {
  let some: StateRow[] = []
  for await (const row of rows) {
    const [first] = some
    if (some.length === AT_ONCE || (first && first.table !== row.table)) {
      yield some
      some = []
    }
    some.push(row)
  }
  if (some.length > 0) yield some
}

async function insert(tx: Tx, some: readonly StateRow[]): Promise<void> {
  const [first] = some
  if (!first) return
  const { key, columns } = SHAPES[first.table]
  const values = some.map(({ row }) => sql`(${sql.join(columns.map((name) => row[name] ?? null))})`)
  const listed = sql.join(columns.map((column) => sql.ref(column)))
  const replaced = columns.filter((column) => !key.includes(column))
  const updates = replaced.map(
    (column) => sql`${sql.ref(column)} = ${sql.ref(`excluded.${column}`)}`,
  )
  // Before the import nothing was done, but a lease or a fact may have been taken to do it.
  const larger =
    first.table === 'fences' ? sql`where ${sql.ref('excluded.number')} > fences.number` : sql``
  const held =
    first.table === 'fences' || first.table === 'facts'
      ? sql`on conflict (${sql.join(key.map((column) => sql.ref(column)))})
          do update set ${sql.join(updates)} ${larger}`
      : sql``
  await sql`
    insert into ${sql.table(first.table)} (${listed}) values ${sql.join(values)} ${held}`.execute(
    tx,
  )
}
