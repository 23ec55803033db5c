import { parseExpectation } from '../../core/checks.ts'
import type { DesiredCheck } from '../../core/model.ts'
import { messageOf, RestoreFailed } from '../../lib/errors.ts'
import { formatDuration } from '../../lib/time.ts'
import { SqlFailed, tell } from './ask.ts'
import type { Server } from './server.ts'
import { literal } from './sql.ts'

/** As a source is told of it: only what is about it. */
export type Check = Omit<DesiredCheck, 'source'>

/** What the server is given beyond the time of the check itself, to end the question and say so. */
const GRACE = 30_000

/**
 * Asks a restored database its checks, one after the other, in a transaction that cannot write. Throws
 * `RestoreFailed` at the first that gives something else than it has to, fails or takes too long.
 */
export async function askChecks(
  server: Server,
  database: string,
  checks: readonly Check[],
  signal: AbortSignal,
): Promise<void> {
  for (const check of checks) {
    const answer = await answerTo(server, database, check, signal)
    if (answer.holds === true) continue
    const given = answer.given === null ? 'nothing' : answer.given
    const wanted = check.expect === null ? '' : `, not ${check.expect}`
    throw new RestoreFailed(
      `check "${check.name}" of the restored database gave ${given}${wanted}`,
      {
        hint: HINT,
      },
    )
  }
}

const HINT =
  'restore an older backup; or correct the check, or name the database that it is about with source'

interface Answer {
  /** Null of no row, and of a row without a value. */
  readonly given: string | null
  readonly holds: boolean | null
}

async function answerTo(
  server: Server,
  database: string,
  { name, timeout, ...check }: Check,
  signal: AbortSignal,
): Promise<Answer> {
  const sql = [
    'begin transaction read only;',
    `set local statement_timeout = ${timeout};`,
    `do${literal(block(check))};`,
    `select current_setting('${ANSWER}');`,
    'rollback;',
  ].join('\n')
  try {
    const timeLimit = timeout + GRACE
    return JSON.parse(await tell(server, { database, sql, timeLimit, signal })) as Answer
  } catch (error) {
    signal.throwIfAborted()
    const isLate = error instanceof SqlFailed && error.state === CANCELED
    const why = isLate
      ? `took longer than ${formatDuration(timeout)}`
      : `failed: ${messageOf(error)}`
    throw new RestoreFailed(`check "${name}" of the restored database ${why}`, {
      cause: error,
      hint: HINT,
    })
  }
}

/** SQLSTATE of a statement that ran into its time limit. */
const CANCELED = '57014'
const ANSWER = 'holdfast.answer'
/** Characters of an answer that are told. */
const SHOWN = 200

/**
 * The question as the server runs it: as a text, for psql must take nothing in it for a command of its
 * own, and nothing in it can end the transaction. The server compares, by the type of the answer.
 */
function block({ sql, expect }: Pick<Check, 'sql' | 'expect'>): string {
  const value = `(select (${sql.replace(/[;\s]+$/, '')}\n) as value) as answer`
  const answer = `json_build_object('given', left(value::text, ${SHOWN}), 'holds', ${holds(expect)})`
  return `declare told text; begin
    execute${literal(`select ${answer}::text from ${value}`)} into told;
    perform set_config('${ANSWER}', told, true);
  end`
}

function holds(expect: string | null): string {
  if (expect === null) return `value::text !~ '^(f|false|-?0*[.]?0*)$'`
  const { operator, value } = parseExpectation(expect)
  return `value ${operator} ${literal(value)}`
}
