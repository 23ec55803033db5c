import { it } from 'vitest'
import type { Backup, Bytes, Run } from '../../src/core/model.ts'
import type { BackupEnd, Store } from '../../src/state/store.ts'
import { backupOf, copyOf, minute, runOf } from './history-fixtures.ts'

/** `it` with a fresh store, and the means to open another view on the same state. */
export function lawOf(open: OpenStore) {
  return (title: string, prove: (store: Store, again: () => Promise<Store>) => Promise<void>) =>
    it(title, async () => {
      const { store, again } = await open()
      await prove(store, again)
    })
}

/** Gives a store that is new, and another view on the same state. */
export type OpenStore = () => Promise<{ readonly store: Store; again(): Promise<Store> }>

/** Opens a run of the job `shop` for each id, a minute apart. */
export async function runs<const Ids extends readonly string[]>(store: Store, ids: Ids) {
  const opened = ids.map((id, index) => runOf(id, 'shop', index))
  for (const run of opened) await store.openRun(run)
  return opened as { readonly [Index in keyof Ids]: Run }
}

/** Opens a backup of `run` and closes it as a success. */
export async function succeed(store: Store, run: Run, more: Partial<Backup> = {}): Promise<Backup> {
  const backup = backupOf(run, more)
  await store.openBackup(backup)
  await store.closeBackup(backup.id, success(1))
  return { ...backup, ...success(1) }
}

/** The end of a success. */
export function success(finished: number): BackupEnd {
  return {
    status: 'success',
    finishedAt: minute(finished),
    storedBytes: 42 as Bytes,
    contentBytes: null,
    error: null,
    warnings: [],
  }
}

/** The end of a failure. */
export function failure(error: string): BackupEnd {
  return { ...success(1), status: 'failed', storedBytes: null, error }
}

/** What a manifest tells. */
export function found(id: string) {
  const run = runOf(id, 'shop', 0, { status: 'success', finishedAt: minute(5) })
  const backup = { ...backupOf(run), ...success(5) }
  return { run, backup, copy: copyOf(backup, 'nas') }
}
