import { memberName } from '../../core/member-name.ts'
import type { Member } from '../source.ts'
import { listDatabases } from './catalog.ts'
import { isOurs } from './names.ts'
import type { Server } from './server.ts'

/** Each database that the server has at this moment, the roles first. Throws when it cannot be asked. */
export async function databasesOf(
  server: Server,
  { globals, prefix }: { readonly globals: boolean; readonly prefix: string | null },
  signal: AbortSignal,
): Promise<readonly Member[]> {
  const databases = (await listDatabases(server, signal)).filter((name) => !isOurs(name))
  const of = (name: string) => (prefix === null ? name : `${prefix}.${name}`)
  const kind = 'postgres'
  return [
    ...(globals
      ? [{ name: of('globals'), kind, options: { databases: null, database: null, globals: true } }]
      : []),
    ...databases.map((database) => ({
      name: of(memberName(database)),
      kind,
      options: { databases: null, database, globals: false },
    })),
  ]
}
