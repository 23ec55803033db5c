import { isOpen } from '../core/checks.ts'
import type { DesiredCheck, DesiredSource, Millis } from '../core/model.ts'
import { suggest } from '../lib/suggest.ts'
import type { Block } from './block.ts'
import { blockOf, fault, items, millis, read, text } from './block.ts'

/** How long an answer may take, unless its check says otherwise. */
export const USUAL_CHECK_TIMEOUT = 300_000 as Millis

/** PostgreSQL counts the milliseconds of a statement in 31 bits. */
const LONGEST = 24 * 86_400_000

/** What a job asks of its databases once they are restored, in the order declared. */
export function resolveChecks(
  job: Block,
  sources: readonly DesiredSource[],
): readonly DesiredCheck[] {
  const seen = new Set<string>()
  return items(job, 'checks').flatMap((item) => {
    const block = blockOf(item, job.context)
    const name = block && text(block, 'name')
    const sql = block && text(block, 'sql')
    if (block === null || name === null || sql === null) return []
    if (block.tree.entries.has('command')) {
      fault(block, 'command', 'stands beside "sql"', 'a check is one or the other')
    }
    if (seen.has(name)) fault(block, 'name', `a second check named "${name}" in this job`)
    seen.add(name)
    const source = text(block, 'source')
    const problem = subjectFault(source, sources)
    if (problem !== null) fault(block, ...problem)
    const expect = read(block, 'expect')
    const timeout = millis(block, 'timeout') ?? USUAL_CHECK_TIMEOUT
    if (timeout < 1 || timeout > LONGEST) {
      fault(block, 'timeout', 'must be between 1ms and 24d', 'that is what the server can measure')
    }
    return [
      {
        name,
        source,
        sql,
        expect: expect === null ? null : String(expect),
        timeout,
      },
    ]
  })
}

type Fault = readonly [key: string, message: string, hint: string | null]

/** A check that could never be asked would be taken for one that passes. */
function subjectFault(name: string | null, sources: readonly DesiredSource[]): Fault | null {
  const databases = sources.filter(isDatabase)
  const hasOpen = sources.some(isOpen)
  if (name === null) {
    const hint = 'checks of other sources are not available in this version'
    const message = 'is asked of PostgreSQL databases, and this job has none'
    return databases.length > 0 || hasOpen ? null : ['sql', message, hint]
  }
  const meant = sources.find((source) => source.name === name)
  if (meant === undefined) {
    const near = suggest(
      name,
      databases.map((one) => one.name),
    )
    const hint = near && `did you mean "${near}"?`
    return hasOpen ? null : ['source', `unknown source "${name}"`, hint]
  }
  if (isDatabase(meant)) return null
  const hint = 'name one of its databases, or leave "source" out: then each is asked'
  // A server is called after itself, and a volume may hold the one database that has its name.
  if (isOpen(meant)) {
    const message = `"${name}" stands for all databases of a server`
    return meant.kind === 'postgres' ? ['source', message, hint] : null
  }
  return ['source', `"${name}" is no PostgreSQL database, and nothing else can be asked`, null]
}

function isDatabase({ kind, options }: DesiredSource): boolean {
  return kind === 'postgres' && options.databases !== 'all' && options.globals !== true
}
