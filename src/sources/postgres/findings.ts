import { messageOf } from '../../lib/errors.ts'
import type { Finding } from '../source.ts'
import { majorOf, serverFacts } from './catalog.ts'
import { nameOf } from './describe.ts'
import type { PostgresSettings } from './settings.ts'

/** What a backup would fail of tonight: no programs, programs that are too old, a server that says no. */
export async function findTrouble(
  settings: PostgresSettings,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const { server } = settings
  try {
    const client = await server.client(signal)
    const { version } = await serverFacts(server, nameOf(settings), signal)
    const major = majorOf(version)
    if (client.major >= major) return []
    const message = `${server.label} is PostgreSQL ${major}, and pg_dump here is only ${client.major}: backups will fail`
    return [{ rule: 'client-too-old', message, hint: `apt-get install postgresql-client-${major}` }]
  } catch (error) {
    signal.throwIfAborted()
    const hint = error instanceof Error && 'hint' in error ? String(error.hint ?? '') : ''
    return [
      { rule: 'source-unreachable', message: messageOf(error), hint: hint === '' ? null : hint },
    ]
  }
}
