import { sql, type Transaction } from 'kysely'
import type { Backup, Copy, JobId, Run } from '../core/model.ts'
import { type Engine, reading } from './engine.ts'
import {
  BACKUP_COLUMNS,
  backupOf,
  backupRow,
  COPY_COLUMNS,
  copyOf,
  copyRow,
  runRow,
} from './rows.ts'
import type { BackupEnd, Store } from './store.ts'
import type { Tables } from './tables.ts'
import { mustExist, type Write } from './write.ts'

type Tx = Transaction<Tables>
type BackupMethods = Pick<
  Store,
  | 'renameJob'
  | 'openRun'
  | 'closeRun'
  | 'openBackup'
  | 'closeBackup'
  | 'backup'
  | 'saveCopy'
  | 'copies'
  | 'adopt'
>

/** Statuses that hold a slot: the same words as in the index `backups_once`. */
const HOLDS_SLOT = sql<boolean>`slot is not null and status in ('pending', 'running', 'success')`
const HOLDING = ['pending', 'running', 'success']

/** Runs, backups and copies of a store. */
export function backupMethods(engine: Engine, write: Write): BackupMethods {
  return {
    renameJob: (from, to) => write(`rename ${from} to ${to}`, (tx) => renameJob(tx, from, to)),
    openRun: (run) =>
      write(`open run ${run.id}`, async (tx) => {
        await tx.insertInto('runs').values(runRow(run)).execute()
      }),
    closeRun: (run, status, finishedAt) =>
      write(`close run ${run}`, async (tx) => {
        const { numUpdatedRows } = await tx
          .updateTable('runs')
          .set({ status, finished_at: finishedAt })
          .where('id', '=', run)
          .executeTakeFirst()
        mustExist(`run ${run}`, numUpdatedRows)
      }),
    openBackup: (backup) => write(`open backup ${backup.id}`, (tx) => openBackup(tx, backup)),
    closeBackup: (backup, end) =>
      write(`close backup ${backup}`, (tx) => closeBackup(tx, backup, end)),
    backup: (id) =>
      reading(engine, `read backup ${id}`, async (tx) => {
        const query = tx.selectFrom('backups').select(BACKUP_COLUMNS).where('id', '=', id)
        const [backup] = await engine.rows(tx, query.compile(), backupOf)
        return backup ?? null
      }),
    saveCopy: (copy) =>
      write(`save the copy of ${copy.backup} on ${copy.target}`, (tx) => saveCopy(tx, copy)),
    copies: (backup) =>
      reading(engine, `read the copies of ${backup}`, async (tx) => {
        const query = tx
          .selectFrom('copies')
          .select(COPY_COLUMNS)
          .where('backup', '=', backup)
          .orderBy('target')
        return await engine.rows(tx, query.compile(), copyOf)
      }),
    adopt: (run, backup, copy) =>
      write(`adopt ${copy.key}`, async (tx) => {
        await adoptRun(tx, run)
        await adoptBackup(tx, backup)
        await adoptCopy(tx, copy)
      }),
  }
}

/** The index decides, also between transactions that do not see each other yet. */
async function openBackup(tx: Tx, backup: Backup): Promise<'opened' | 'taken'> {
  const opened = await tx
    .insertInto('backups')
    .values(backupRow(backup))
    .onConflict((on) => on.columns(['job', 'source', 'slot']).where(HOLDS_SLOT).doNothing())
    .returning('id')
    .executeTakeFirst()
  return opened ? 'opened' : 'taken'
}

/** Another backup that holds the slot. */
async function slotHolder(tx: Tx, backup: Backup): Promise<string | null> {
  if (backup.slot === null || !HOLDING.includes(backup.status)) return null
  const row = await tx
    .selectFrom('backups')
    .select('id')
    .where('job', '=', backup.job)
    .where('source', '=', backup.source)
    .where('slot', '=', backup.slot)
    .where('status', 'in', HOLDING)
    .where('id', '<>', backup.id)
    .executeTakeFirst()
  return row?.id ?? null
}

/** A success stays one: a late word of an attempt that was given up changes nothing. */
async function closeBackup(tx: Tx, id: string, end: BackupEnd): Promise<void> {
  const { numUpdatedRows } = await tx
    .updateTable('backups')
    .set({
      status: end.status,
      finished_at: end.finishedAt,
      stored_bytes: end.storedBytes,
      content_bytes: end.contentBytes,
      error: end.error,
      warnings: JSON.stringify(end.warnings),
    })
    .where('id', '=', id)
    .where('status', '<>', 'success')
    .executeTakeFirst()
  if (numUpdatedRows > 0n) return
  const row = await tx.selectFrom('backups').select('id').where('id', '=', id).executeTakeFirst()
  mustExist(`backup ${id}`, row ? 1n : 0n)
}

async function saveCopy(tx: Tx, copy: Copy): Promise<void> {
  const { backup: _backup, target: _target, ...rest } = copyRow(copy)
  await tx
    .insertInto('copies')
    .values(copyRow(copy))
    .onConflict((on) => on.columns(['backup', 'target']).doUpdateSet(rest))
    .execute()
}

async function adoptRun(tx: Tx, run: Run): Promise<void> {
  await tx
    .insertInto('runs')
    .values(runRow(run))
    .onConflict((on) => on.column('id').doNothing())
    .execute()
}

/** Success once proven; when another attempt took the slot meanwhile, it keeps it, and this one says so. */
async function adoptBackup(tx: Tx, backup: Backup): Promise<void> {
  const known = await tx
    .selectFrom('backups')
    .select('status')
    .where('id', '=', backup.id)
    .executeTakeFirst()
  if (known?.status === 'success') return
  const holder = await slotHolder(tx, backup)
  const row = holder
    ? backupRow({
        ...backup,
        slot: null,
        warnings: [...backup.warnings, `backup ${holder} holds the same slot`],
      })
    : backupRow(backup)
  const { id: _id, ...rest } = row
  await tx
    .insertInto('backups')
    .values(row)
    .onConflict((on) => on.column('id').doUpdateSet(rest))
    .execute()
}

/** What is known of a complete copy stays: when it was verified, how it was read back. */
async function adoptCopy(tx: Tx, copy: Copy): Promise<void> {
  const known = await tx
    .selectFrom('copies')
    .select('status')
    .where('backup', '=', copy.backup)
    .where('target', '=', copy.target)
    .executeTakeFirst()
  if (known?.status !== 'complete') await saveCopy(tx, copy)
}

async function renameJob(tx: Tx, from: JobId, to: JobId): Promise<void> {
  if (from === to) return
  // A slot that the new name already holds stays with it: the carried row keeps all but its slot.
  await tx
    .updateTable('backups')
    .set({ slot: null })
    .where('job', '=', from)
    .where('status', 'in', HOLDING)
    .where(({ exists, selectFrom }) =>
      exists(
        selectFrom('backups as other')
          .select('other.id')
          .where('other.job', '=', to)
          .where('other.status', 'in', HOLDING)
          .whereRef('other.source', '=', 'backups.source')
          .whereRef('other.slot', '=', 'backups.slot'),
      ),
    )
    .execute()
  await tx.updateTable('backups').set({ job: to }).where('job', '=', from).execute()
  await tx.updateTable('runs').set({ job: to }).where('job', '=', from).execute()
  await tx.updateTable('restores').set({ job: to }).where('job', '=', from).execute()
  await renameFact(tx, `notify.state:${from}`, `notify.state:${to}`)
}

async function renameFact(tx: Tx, from: string, to: string): Promise<void> {
  const { rows } = await sql`select 1 from facts where key = ${from}`.execute(tx)
  if (rows.length === 0) return
  await tx.deleteFrom('facts').where('key', '=', to).execute()
  await tx.updateTable('facts').set({ key: to }).where('key', '=', from).execute()
}
