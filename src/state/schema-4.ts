import type { Migration } from './migration.ts'

/** The data_dir that a restore was begun from: null where it was begun before this was kept. */
export const fourth: Migration = {
  version: 4,
  async expand(db) {
    await db.schema.alterTable('restores').addColumn('home', 'text').execute()
  },
}
