import { sql } from 'kysely'
import type { Migration } from './migration.ts'

/** Several instances on one state: who lives, who holds what until when, and what is paused. */
export const third: Migration = {
  version: 3,
  async expand(db) {
    await db.schema
      .createTable('instances')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('body', 'text', (c) => c.notNull())
      .addColumn('until', 'bigint', (c) => c.notNull())
      .execute()
    await db.schema
      .createTable('leases')
      .addColumn('name', 'text', (c) => c.primaryKey())
      .addColumn('instance', 'text', (c) => c.notNull())
      .addColumn('fence', 'bigint', (c) => c.notNull())
      .addColumn('until', 'bigint', (c) => c.notNull())
      .execute()
    await db.schema.createIndex('leases_of').on('leases').columns(['instance']).execute()
    await db.schema
      .createTable('pauses')
      .addColumn('subject', 'text', (c) => c.primaryKey())
      .addColumn('reason', 'text', (c) => c.notNull())
      .addColumn('author', 'text', (c) => c.notNull())
      .addColumn('paused_at', 'bigint', (c) => c.notNull())
      .execute()
    await db.schema.createIndex('runs_ended').on('runs').columns(['finished_at']).execute()
    await db.schema
      .createIndex('restores_open')
      .on('restores')
      .columns(['status'])
      .where(sql<boolean>`released = 0`)
      .execute()
  },
}
