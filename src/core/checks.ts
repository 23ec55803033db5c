import { livingSources } from './members.ts'
import type { DesiredCheck, DesiredJob, DesiredSource, Options } from './model.ts'
import type { Warning } from './observed.ts'

/** The checks that are about a source: about a database by its name, or about each. */
export function checksOf(
  { checks = [] }: Pick<DesiredJob, 'checks'>,
  source: Pick<DesiredSource, 'name' | 'kind' | 'options'>,
): readonly DesiredCheck[] {
  if (source.kind !== 'postgres' || isOfRoles(source)) return []
  return checks.filter((check) => check.source === null || check.source === source.name)
}

/** Whether it is the roles of a server, and none of its databases. */
export function isOfRoles({ kind, options }: Pick<DesiredSource, 'kind' | 'options'>): boolean {
  return kind === 'postgres' && options.globals === true
}

/** Checks as a source is configured with them. */
export function checkOptions(checks: readonly DesiredCheck[]): Options {
  if (checks.length === 0) return {}
  return {
    checks: checks.map(({ name, sql, expect, timeout }) => ({ name, sql, expect, timeout })),
  }
}

/** What a value has to be, as an operator of SQL and the value to compare with. */
export interface Expectation {
  readonly operator: '=' | '<>' | '<' | '<=' | '>' | '>='
  readonly value: string
}

const COMPARISON = /^\s*(<=|>=|<>|!=|==?|<|>)\s*(\S[\s\S]*?)\s*$/

/** `> 0`, `!= new`; without an operator it is the value itself. */
export function parseExpectation(text: string): Expectation {
  const [, operator, value] = COMPARISON.exec(text) ?? []
  if (operator === undefined || value === undefined) return { operator: '=', value: text }
  if (operator === '!=') return { operator: '<>', value }
  return { operator: operator === '==' ? '=' : (operator as Expectation['operator']), value }
}

/** Checks about a database that the server does not have, as far as anybody looked. */
export function checkWarnings(job: DesiredJob): readonly Warning[] {
  const living = livingSources(job)
  return (job.checks ?? []).flatMap((check) => {
    if (living.some((source) => checksOf({ checks: [check] }, source).length > 0)) return []
    // Nobody knows yet what those stand for: any database.
    if (check.source === null && living.some(isOpen)) return []
    const end = living.some(isOpen)
      ? 'known so far: until it is, the check is not asked'
      : 'of its job: it is never asked'
    const message = `check ${check.name} is about ${check.source ?? 'a database'}, which is no database ${end}`
    const hint = 'correct its source: holdfast plan lists what there is'
    return [{ rule: 'check-of-nothing', subject: job.id, message, hint }]
  })
}

/** What may turn out to be a server's databases. */
export function isOpen({ kind, options }: DesiredSource): boolean {
  if (kind === 'volume') return options.strategy !== 'tar'
  return kind === 'postgres' && options.databases === 'all'
}
