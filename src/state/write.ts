import type { Transaction } from 'kysely'
import { StateRefused } from '../lib/errors.ts'
import { type Engine, writing } from './engine.ts'
import { checkDistance, stateVersion } from './migration.ts'
import type { Tables } from './tables.ts'

/** How the parts of a store write: one transaction each, durable once it resolves. */
export type Write = <T>(doing: string, work: (tx: Transaction<Tables>) => Promise<T>) => Promise<T>

/**
 * Writes for a program of that schema version: each one looks first whether another program has
 * moved the state too far on meanwhile, and throws `StateRefused` if so.
 */
export function guardedWrite(engine: Engine, program: number): Write {
  return (doing, work) =>
    writing(engine, doing, async (tx) => {
      checkDistance(await stateVersion(tx), program)
      return work(tx)
    })
}

/** Throws `StateRefused` unless a row was there to be changed. */
export function mustExist(what: string, changed: bigint): void {
  if (changed === 0n) throw new StateRefused(`the state holds no ${what}`)
}
