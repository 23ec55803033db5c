import { sql } from 'kysely'
import type { Migration } from '../../src/state/migration.ts'
import { MIGRATIONS } from '../../src/state/migrations.ts'

const N = MIGRATIONS.length

/** Versions to come, as a test needs them. The second gives up an index that only the first used. */
export const SECOND: Migration = {
  version: N + 1,
  async expand(db) {
    await db.schema.alterTable('facts').addColumn('note', 'text').execute()
    await sql`create table if not exists drills (id text primary key)`.execute(db)
  },
  async contract(db) {
    await db.schema.dropIndex('outbox_due').execute()
  },
}

export const THIRD: Migration = {
  version: N + 2,
  async expand(db) {
    await db.schema.alterTable('fences').addColumn('since', 'bigint').execute()
  },
  async contract(db) {
    await db.schema.dropIndex('backups_run').execute()
  },
}

export const FOURTH: Migration = {
  version: N + 3,
  async expand(db) {
    await db.schema.createTable('labels').addColumn('name', 'text').execute()
  },
}
