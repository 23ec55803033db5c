import type { Member } from '../../core/members.ts'
import { listDatabases } from './catalog.ts'
import { isOurs } from './names.ts'
import type { Server } from './server.ts'

const kind = 'postgres'

/** Each database that the server has at this moment, the roles first. Throws when it cannot be asked. */
export async function databasesOf(
  server: Server,
  globals: boolean,
  signal: AbortSignal,
): Promise<readonly Member[]> {
  const databases = (await listDatabases(server, signal)).filter((name) => !isOurs(name))
  const roles: Member = {
    name: 'globals',
    kind,
    options: { databases: null, database: null, globals: true },
  }
  const members = databases.map((database): Member => {
    return { name: database, kind, options: { databases: null, database, globals: false } }
  })
  return globals ? [roles, ...members] : members
}
