import { open, rm, writeFile } from 'node:fs/promises'
import { ProgramFailed } from '../../lib/errors.ts'
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
  if (arrived.kind !== 'archive') {
    return [UNTOLD]
  }
  const { path } = arrived
  const entries = await printed(reading(client, ['--create', '--list'], path), signal)
  const own = entries.split('\n').filter((line) => !line.startsWith(';') && OWN.test(line))
  const sql = await definitionsOf(own.join('\n'), { client, path }, signal)
  if (sql === null) return [`${UNTOLD}: they could not be read in its container`]
  const statements = statementsOf(sql).flatMap((statement) => renamed(statement, to) ?? [])
  const lines = ['begin;', ...statements.map((statement) => `${statement};`), 'commit;']
  await tellBeside(server, { about: [to], sql: lines.join('\n'), signal })
  return []
}

const UNTOLD = 'settings, rights and comment of the database itself are not restored'

/** The entries of an archive that `own` lists, as SQL; null where they cannot be had. */
async function definitionsOf(
  own: string,
  { client, path }: { readonly client: Client; readonly path: string },
  signal: AbortSignal,
): Promise<string | null> {
  const args = ['--create', '--schema-only', '--file=-']
  if (client.picking) {
    const picked = { program: client.picking(own, args), stdin: path }
    return await printed(picked, signal).catch((error: unknown) => {
      if (error instanceof ProgramFailed) return null
      throw error
    })
  }
  const list = `${path}.list`
  try {
    await writeFile(list, `${own}\n`, { mode: 0o600 })
    return await printed(reading(client, [...args, `--use-list=${list}`], path), signal)
  } finally {
    await rm(list, { force: true })
  }
}

/** `4; 1262 16388 DATABASE - shop app`, and what hangs on it. */
const OWN = / DATABASE( PROPERTIES)? /

async function printed(
  { program, stdin }: ReturnType<typeof reading>,
  signal: AbortSignal,
): Promise<string> {
  await using input = stdin === null ? null : await open(stdin)
  const options = { timeLimit: LIMIT, maxOutput: MAX_OUTPUT, signal }
  const { stdout, exit } = await run(program, {
    ...options,
    ...(input === null ? {} : { stdin: input.fd }),
  })
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
