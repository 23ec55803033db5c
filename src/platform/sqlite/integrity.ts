import type { DatabaseSync } from 'node:sqlite'
import { resultCode, Unfit } from './problem.ts'

/** As many faults are looked for; the first few are told. */
const FAULTS = 20
const TOLD = 3

/** Whether a schema needs code that only its application has: functions, collations, modules. */
const FOREIGN = /no such (function|collation sequence|module)|unknown (function|collation)/i

/**
 * Reads the whole database and throws `Unfit` for the first faults found. Gives warnings: a schema
 * that leans on its application's own functions can be checked in part only.
 */
export function checkIntegrity(database: DatabaseSync): readonly string[] {
  const full = faultsBy(database, 'integrity_check')
  if (full.kind === 'checked') return []
  const quick = faultsBy(database, 'quick_check')
  const left =
    quick.kind === 'checked' ? 'indexes were not compared with their tables' : 'not checked'
  return [`integrity: ${left}, for the schema needs its application's own code (${full.message})`]
}

function faultsBy(
  database: DatabaseSync,
  pragma: 'integrity_check' | 'quick_check',
): { readonly kind: 'checked' } | { readonly kind: 'impossible'; readonly message: string } {
  const lines: string[] = []
  try {
    for (const row of database.prepare(`pragma ${pragma}(${FAULTS})`).iterate()) {
      lines.push(String(Object.values(row)[0]))
    }
  } catch (error) {
    if (resultCode(error) === 1 && error instanceof Error && FOREIGN.test(error.message)) {
      return { kind: 'impossible', message: error.message }
    }
    throw error
  }
  const faults = lines.filter((line) => line !== 'ok')
  if (faults.length === 0 && lines.length === 1) return { kind: 'checked' }
  const foreign = faults.find((fault) => FOREIGN.test(fault))
  if (foreign !== undefined) return { kind: 'impossible', message: foreign }
  const more = faults.length > TOLD ? '; …' : ''
  throw new Unfit('damaged', `${pragma} found: ${faults.slice(0, TOLD).join('; ')}${more}`)
}

/** The single number that a pragma or a count gives. */
export function numberOf(database: DatabaseSync, sql: string): number {
  return Number(Object.values(database.prepare(sql).get() ?? {})[0])
}

/** How many things the schema declares. */
export const COUNT_OBJECTS = 'select count(*) from sqlite_schema'
