import { type Kysely, sql } from 'kysely'
import { StateRefused } from '../lib/errors.ts'
import type { Tables } from './tables.ts'

/**
 * One step of the schema. Steps expand, then contract: the program of version n and the one before
 * it both work on schema n, so that two versions may run side by side on one state.
 */
export interface Migration {
  readonly version: number
  /** Adds what version n needs; takes nothing from version n - 1. */
  readonly expand: (db: Kysely<Tables>) => Promise<void>
  /** Drops what only version n - 1 needed. Run when the state moves on to n + 1, never before. */
  readonly contract?: (db: Kysely<Tables>) => Promise<void>
}

/** The schema version that a program with these steps was written for. */
export function programVersion(migrations: readonly Migration[]): number {
  return migrations.at(-1)?.version ?? 0
}

/** The version that a state in use stands at. */
export async function stateVersion(db: Kysely<Tables>): Promise<number> {
  const { rows } = await sql<{ version: number }>`select version from schema`.execute(db)
  return rows[0]?.version ?? 0
}

/** Throws `StateRefused` unless the state is new, of this version, or of one beside it. */
export function checkDistance(state: number, program: number): void {
  if (state === 0 || Math.abs(state - program) <= 1) return
  const apart = `the state has schema version ${state}, this program works with ${program - 1} to ${program + 1}`
  throw new StateRefused(apart, {
    hint:
      state > program
        ? 'a newer Holdfast has used this state: run that version, or one directly before it'
        : 'upgrade one schema version at a time: run the versions in between first, each once',
  })
}

/**
 * Brings the state up to this program, in the caller's transaction. A state that is one version
 * ahead is left as it is. Throws `StateRefused` for one further apart.
 */
export async function migrate(
  db: Kysely<Tables>,
  from: number,
  migrations: readonly Migration[],
): Promise<void> {
  const program = programVersion(migrations)
  checkDistance(from, program)
  if (from >= program) return
  for (const step of migrations) {
    if (step.version <= from) continue
    await migrations.find(({ version }) => version === step.version - 1)?.contract?.(db)
    await step.expand(db)
  }
  if (from === 0) await sql`insert into schema (id, version) values (1, ${program})`.execute(db)
  else await sql`update schema set version = ${program}`.execute(db)
}
