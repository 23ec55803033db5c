import type { Migration } from './migration.ts'

/**
 * Copies that their target does not let go of: until when, and why. How a copy is encrypted, as its
 * manifest tells: null where it was made before this was kept.
 */
export const second: Migration = {
  version: 2,
  async expand(db) {
    await db.schema.alterTable('copies').addColumn('retained_until', 'bigint').execute()
    await db.schema.alterTable('copies').addColumn('retained_why', 'text').execute()
    await db.schema.alterTable('copies').addColumn('encryption', 'text').execute()
  },
}
