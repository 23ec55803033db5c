import { join } from 'node:path'
import type { Desired } from '../core/model.ts'
import { openSqliteStore } from './sqlite.ts'
import type { Store } from './store.ts'

/**
 * Opens the state where the config wants it. `onTrouble` is told of faults of the way to it that no
 * call failed by. Throws `StateRefused`.
 */
export async function openStore(
  { state, dataDir }: Pick<Desired, 'state' | 'dataDir'>,
  onTrouble: (error: unknown) => void = () => {},
): Promise<Store> {
  if (state.kind === 'sqlite') return await openSqliteStore({ path: join(dataDir, 'state.db') })
  // Read only by whoever uses it: the client takes several MB.
  const { openPostgresStore } = await import('./postgres.ts')
  return await openPostgresStore({ url: state.url, direct: state.direct, onTrouble })
}
