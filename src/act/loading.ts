import type { Restore } from '../core/model.ts'
import type { World } from '../observe/world.ts'

/*
 * Some restores have no place beside: what they read goes straight into the live data. A death amid
 * that leaves it in a state that nobody can tell, and who finds the restore must not say otherwise.
 */

const keyOf = ({ id }: Pick<Restore, 'id'>) => `loading:${id}`

/** From here on the live data is touched. */
export async function noteLoading(restore: Restore, { store }: World): Promise<void> {
  await store.saveFact(keyOf(restore), '1')
}

/** It came to an end that was told. */
export async function forgetLoading(restore: Restore, { store }: World): Promise<void> {
  await store.saveFact(keyOf(restore), null)
}

/** Whether the process of a restore that nobody ended may have touched the live data. */
export async function wasLoading(restore: Restore, { store }: World): Promise<boolean> {
  return (await store.facts(keyOf(restore))).size > 0
}

/** What a restore that was cut short amid that leaves. */
export function halfLoaded({ to }: Pick<Restore, 'to'>): string {
  return `it was loading straight into ${to}: what is there may be neither the old nor the new; restore it again before anything uses it`
}
