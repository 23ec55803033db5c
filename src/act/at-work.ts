import type { World } from '../observe/world.ts'

/**
 * Attempts whose process lives, which see to what they have left themselves, and restores that are not
 * settled: what stands still or is staged for one must not be touched amid a swap, whoever is to
 * finish that.
 */
export async function tokensAtWork({ store, leases }: World): Promise<ReadonlySet<string>> {
  const { backups, restores } = await store.history({ depth: 'recent', jobs: null })
  const tokens = new Set<string>()
  for (const { id, status, instance } of backups) {
    if (status === 'running' && (await leases.isAlive(instance))) tokens.add(id)
  }
  for (const { id, status } of restores) if (status === 'running') tokens.add(id)
  for (const entry of await store.journal()) if (entry.kind === 'swap') tokens.add(entry.restore)
  return tokens
}
