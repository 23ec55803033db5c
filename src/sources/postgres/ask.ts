import { SourceFailed } from '../../lib/errors.ts'
import type { Server } from './server.ts'

/** The server refused a statement, or could not be reached. */
export class SqlFailed extends SourceFailed {
  /** Its SQLSTATE; null when there was no answer to have one. */
  readonly state: string | null

  constructor(message: string, state: string | null, hint: string | null) {
    super(message, hint === null ? {} : { hint })
    this.state = state
  }
}

export interface Question {
  /** Null: the one that the address names. */
  readonly database?: string | null
  readonly sql: string
  /** In milliseconds. */
  readonly timeLimit?: number
  readonly signal: AbortSignal
}

const ANSWER_LIMIT = 60_000

/** The rows of a SELECT, by their columns. Throws `SqlFailed`, `ProgramFailed`, `TimeLimit`. */
export async function ask<Row>(server: Server, question: Question): Promise<readonly Row[]> {
  const sql = `select coalesce(json_agg(row_to_json(answer)), '[]') from (${question.sql}) as answer;`
  return JSON.parse(await tell(server, { ...question, sql })) as Row[]
}

/** Statements, each for itself unless they say `begin`; what they print. Throws as `ask` does. */
export async function tell(
  server: Server,
  { database = null, sql, timeLimit = ANSWER_LIMIT, signal }: Question,
): Promise<string> {
  const client = await server.client(signal)
  const args = ['-XAtq', '-v', 'ON_ERROR_STOP=1', '-v', 'VERBOSITY=verbose', '-f', '-']
  const { stdout, exit } = await client.psql(args, { database, input: sql, timeLimit, signal })
  if (exit.code === 0) return stdout
  throw failureOfPsql(server, exit.stderr)
}

function failureOfPsql(server: Server, stderr: readonly string[]): SqlFailed {
  const found = stderr.flatMap(
    (line) => /(?:ERROR|FATAL): {2}([0-9A-Z]{5}): (.*)$/.exec(line) ?? [],
  )
  const [, state, message] = found
  const detail = stderr.find((line) => line.startsWith('DETAIL:'))?.replace(/^DETAIL: */, '')
  if (state !== undefined && message !== undefined) {
    const said = detail === undefined ? message : `${message} (${detail.replace(/\.$/, '')})`
    return new SqlFailed(`${server.label}: ${said}`, state, null)
  }
  const said = stderr.join(' ').replace(/^psql: error: /, '')
  return new SqlFailed(`${server.label}: ${said || 'psql said nothing'}`, null, hintFor(said))
}

/** What is to be done about a connection that did not come about. */
export function hintFor(said: string): string | null {
  if (/password authentication failed|no password supplied/.test(said)) {
    return 'correct user and password: in url, in the file that PGPASSFILE names, or in POSTGRES_PASSWORD of the container'
  }
  if (/does not exist/.test(said)) return 'see what there is: psql --list'
  if (/Connection refused|No such file|could not translate|timeout expired/.test(said)) {
    return 'see that the server runs and that url, or PGHOST and PGPORT, name it'
  }
  if (/no pg_hba.conf entry/.test(said)) return 'allow this host and user in its pg_hba.conf'
  return null
}
