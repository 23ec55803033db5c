import { rm, writeFile } from 'node:fs/promises'
import { mustSucceed, run } from '../../platform/program.ts'
import { tellBeside } from './catalog.ts'
import { type Arrived, reading } from './content.ts'
import type { Client, Server } from './server.ts'
import { ident } from './sql.ts'
import { NAME, statementsOf } from './statements.ts'

const LIMIT = 600_000
const MAX_OUTPUT = 256 * 1024 * 1024

/**
 * Gives a database the settings, rights, comment and limit of connections that the archived one had,
 * out of the archive: they are not in the manifest, for some programs keep secrets there. What could
 * not be told is returned in words.
 */
export async function applyArchived(
  { server, client }: { readonly server: Server; readonly client: Client },
  arrived: Arrived,
  to: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  // A program in a container would see no list of ours.
  if (arrived.kind !== 'archive' || !client.hasOurFiles) {
    return ['settings, rights and comment of the database itself are not restored']
  }
  const list = `${arrived.path}.list`
  try {
    const entries = await printed(client, ['--create', '--list'], arrived.path, signal)
    const own = entries.split('\n').filter((line) => !line.startsWith(';') && OWN.test(line))
    await writeFile(list, `${own.join('\n')}\n`, { mode: 0o600 })
    const args = ['--create', '--schema-only', `--use-list=${list}`, '--file=-']
    const sql = await printed(client, args, arrived.path, signal)
    const statements = statementsOf(sql).flatMap((statement) => renamed(statement, to) ?? [])
    const lines = ['begin;', ...statements.map((statement) => `${statement};`), 'commit;']
    await tellBeside(server, { about: [to], sql: lines.join('\n'), signal })
    return []
  } finally {
    await rm(list, { force: true })
  }
}

/** `4; 1262 16388 DATABASE - shop app`, and what hangs on it. */
const OWN = / DATABASE( PROPERTIES)? /

async function printed(
  client: Client,
  args: readonly string[],
  path: string,
  signal: AbortSignal,
): Promise<string> {
  const { program } = reading(client, args, path)
  const { stdout, exit } = await run(program, { timeLimit: LIMIT, maxOutput: MAX_OUTPUT, signal })
  mustSucceed(exit)
  return stdout
}

const FORMS = [
  new RegExp(`^(ALTER DATABASE )${NAME}( (?!OWNER TO )[\\s\\S]*)$`),
  new RegExp(`^(ALTER ROLE ${NAME} IN DATABASE )${NAME}( [\\s\\S]*)$`),
  new RegExp(`^(COMMENT ON DATABASE )${NAME}( IS [\\s\\S]*)$`),
  new RegExp(`^((?:GRANT|REVOKE) [A-Z, ]+ ON DATABASE )${NAME}( (?:TO|FROM) [\\s\\S]*)$`),
]

/** The statement about a database of another name; null for what is about nothing of ours. */
function renamed(statement: string, to: string): string | null {
  for (const form of FORMS) {
    const found = form.exec(statement)
    if (found) return `${found[1]}${ident(to)}${found.at(-1)}`
  }
  return null
}
