import { type CreateTableBuilder, type Kysely, sql } from 'kysely'
import type { Migration } from './migration.ts'
import type { Tables } from './tables.ts'

/** The first schema. Column types are those that SQLite and PostgreSQL share. */
export const first: Migration = {
  version: 1,
  async expand(db) {
    await historyTables(db)
    await otherTables(db)
    await indexes(db)
  },
}

/** `taken` is decided here, by the database itself: one row per slot and source that is not over in vain. */
const HOLDS_SLOT = sql<boolean>`slot is not null and status in ('pending', 'running', 'success')`
const IS_COMPLETE = sql<boolean>`status = 'complete'`
const IS_VERIFIED = sql<boolean>`status = 'complete' and verify = 'ok'`

async function historyTables(db: Kysely<Tables>): Promise<void> {
  await columns(
    db.schema.createTable('runs').addColumn('id', 'text', (c) => c.primaryKey()),
    {
      required: ['job', 'trigger', 'status', 'instance'],
      optional: ['name'],
      numbers: ['started_at'],
      optionalNumbers: ['slot', 'finished_at'],
    },
  ).execute()
  await columns(
    db.schema
      .createTable('backups')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('run', 'text', (c) => c.notNull().references('runs.id')),
    {
      required: [
        'job',
        'source',
        'source_kind',
        'group_id',
        'trigger',
        'status',
        'instance',
        'warnings',
      ],
      optional: ['run_name', 'organization', 'app', 'error'],
      numbers: ['attempt', 'fence', 'started_at'],
      optionalNumbers: ['slot', 'finished_at', 'stored_bytes', 'content_bytes'],
    },
  ).execute()
  await columns(
    db.schema
      .createTable('copies')
      .addColumn('backup', 'text', (c) => c.notNull().references('backups.id'))
      .addColumn('target', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('copies_key', ['backup', 'target']),
    {
      required: ['group_id', 'key', 'status', 'verify'],
      optional: ['sha256', 'readback', 'error'],
      numbers: ['taken_at'],
      optionalNumbers: ['bytes', 'verified_at'],
    },
  ).execute()
  await columns(
    db.schema.createTable('restores').addColumn('id', 'text', (c) => c.primaryKey()),
    {
      required: ['reference', 'key', 'sha256', 'restored_to', 'status', 'requested_by', 'instance'],
      optional: ['job', 'source', 'group_id', 'backup', 'target', 'previous', 'error'],
      numbers: ['in_place', 'started_at', 'released'],
      optionalNumbers: ['finished_at'],
    },
  ).execute()
}

async function otherTables(db: Kysely<Tables>): Promise<void> {
  const keyed = (table: string, key: string) =>
    db.schema.createTable(table).addColumn(key, 'text', (c) => c.primaryKey())
  await db.schema
    .createTable('schema')
    .addColumn('id', 'integer', (c) => c.primaryKey())
    .addColumn('version', 'integer', (c) => c.notNull())
    .execute()
  await columns(
    db.schema
      .createTable('pins')
      .addColumn('target', 'text', (c) => c.notNull())
      .addColumn('key', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('pins_key', ['target', 'key']),
    { required: ['reason'], numbers: ['pinned_at'] },
  ).execute()
  await columns(keyed('applied', 'kind'), { required: ['body'] }).execute()
  await columns(keyed('fences', 'lease'), { required: ['instance'], numbers: ['number'] }).execute()
  await columns(keyed('journal', 'id'), { required: ['body'], numbers: ['opened_at'] }).execute()
  await columns(keyed('outbox', 'id'), {
    required: ['channel', 'body'],
    numbers: ['attempts', 'next_at', 'created_at'],
  }).execute()
  await columns(keyed('facts', 'key'), { required: ['value'] }).execute()
}

async function indexes(db: Kysely<Tables>): Promise<void> {
  const on = (name: string, table: string, keys: string[]) =>
    db.schema.createIndex(name).on(table).columns(keys)
  await on('backups_once', 'backups', ['job', 'source', 'slot'])
    .unique()
    .where(HOLDS_SLOT)
    .execute()
  await on('backups_recent', 'backups', ['job', 'source', 'started_at']).execute()
  await on('backups_open', 'backups', ['job'])
    .where(sql<boolean>`status in ('pending', 'running')`)
    .execute()
  await on('backups_run', 'backups', ['run']).execute()
  await on('runs_recent', 'runs', ['job', 'started_at']).execute()
  await on('runs_open', 'runs', ['job']).where(sql<boolean>`status = 'running'`).execute()
  await on('copies_complete', 'copies', ['group_id', 'target', 'taken_at'])
    .where(IS_COMPLETE)
    .execute()
  await on('copies_verified', 'copies', ['group_id', 'target', 'taken_at'])
    .where(IS_VERIFIED)
    .execute()
  await on('copies_writing', 'copies', ['backup']).where(sql<boolean>`status = 'writing'`).execute()
  await on('outbox_due', 'outbox', ['next_at']).execute()
}

interface Columns {
  readonly required?: readonly string[]
  readonly optional?: readonly string[]
  readonly numbers?: readonly string[]
  readonly optionalNumbers?: readonly string[]
}

/** Numbers are `bigint`: instants in milliseconds do not fit into PostgreSQL's `integer`. */
function columns<Table extends string, Column extends string>(
  table: CreateTableBuilder<Table, Column>,
  of: Columns,
): CreateTableBuilder<Table, string> {
  let grown: CreateTableBuilder<Table, string> = table
  for (const name of of.required ?? []) grown = grown.addColumn(name, 'text', (c) => c.notNull())
  for (const name of of.optional ?? []) grown = grown.addColumn(name, 'text')
  for (const name of of.numbers ?? []) grown = grown.addColumn(name, 'bigint', (c) => c.notNull())
  for (const name of of.optionalNumbers ?? []) grown = grown.addColumn(name, 'bigint')
  return grown
}
