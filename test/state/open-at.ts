import { Secret } from '../../src/lib/secret.ts'
import type { Migration } from '../../src/state/migration.ts'
import { MIGRATIONS } from '../../src/state/migrations.ts'
import { openPostgresStore } from '../../src/state/postgres.ts'
import { openSqliteStore } from '../../src/state/sqlite.ts'
import type { Store } from '../../src/state/store.ts'

/** Opens the state at the path of a file, or at an address of PostgreSQL. */
export async function openAt(
  place: string,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<Store> {
  return place.startsWith('postgres://')
    ? await openPostgresStore({ url: new Secret(place), direct: null, migrations })
    : await openSqliteStore({ path: place, migrations })
}
