import type { Bytes } from '../../core/model.ts'
import { SourceFailed } from '../../lib/errors.ts'
import { isSqlEnd, SQL_END } from '../../lib/sql-end.ts'
import { counted } from '../../platform/counted.ts'
import { failureOf } from '../../platform/program.ts'
import type { Dump, SourceContext } from '../source.ts'
import { askBeside, serverFacts } from './catalog.ts'
import { cutOff, dumpFailed, requireRecent } from './dump.ts'
import type { PostgresSettings } from './settings.ts'

/**
 * Roles, memberships and tablespaces as pg_dumpall writes them. Passwords are in it only where they
 * can be read, which takes a superuser, and where the archive is encrypted.
 */
export async function dumpGlobals(
  settings: PostgresSettings,
  context: SourceContext,
  signal: AbortSignal,
): Promise<Dump> {
  const { server, rolePasswords } = settings
  const client = await server.client(signal)
  const facts = await serverFacts(server, null, signal)
  requireRecent(client, facts.version)
  const [right] = await askBeside<{ readonly may: boolean }>(
    server,
    `select has_table_privilege('pg_catalog.pg_authid', 'select') as may`,
    signal,
  )
  const mayRead = right?.may ?? false
  const bare = rolePasswords && mayRead ? [] : ['--no-role-passwords']
  const program = client.program('pg_dumpall', ['--globals-only', ...bare])
  const run = counted(program, { ...context, tail: SQL_END })
  return {
    content: { kind: 'program', program: run.program },
    async finish(exit) {
      const account = await run.account(exit)
      const failure = account && failureOf(account.exit)
      if (!account || failure)
        throw dumpFailed(`roles of ${server.label}`, failure?.tail || 'not run')
      if (!account.bytes)
        throw new SourceFailed(`the dump of the roles of ${server.label} is empty`)
      if (!isSqlEnd(account.tail)) throw cutOff(`of the roles of ${server.label}`)
      return {
        facts: {
          serverVersion: facts.version,
          globals: true,
          format: 'plain',
          passwords: bare.length === 0,
        },
        warnings: [...account.exit.stderr, ...passwordWords(rolePasswords, mayRead)],
        contentBytes: account.bytes as Bytes,
      }
    },
    [Symbol.asyncDispose]: () => run.remove(),
  }
}

function passwordWords(rolePasswords: boolean, mayRead: boolean): readonly string[] {
  if (rolePasswords && mayRead) return []
  const why = mayRead ? 'the archive is not encrypted' : 'the user is no superuser'
  return [`passwords of roles are not in it, for ${why}: after a restore they must be set anew`]
}
