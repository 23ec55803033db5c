import { join } from 'node:path'
import type { EngineAddress } from '../../core/engine-address.ts'
import { SourceFailed } from '../../lib/errors.ts'
import { findPostgresClient } from '../../platform/postgres-client.ts'
import { type Output, type Program, run } from '../../platform/program.ts'
import type { Address } from './address.ts'

/** The client programs of PostgreSQL that are run. */
export type ClientProgram = 'pg_dump' | 'pg_dumpall' | 'pg_restore' | 'psql'

/** A PostgreSQL server, and how its client programs are run. */
export interface Server {
  /** For words: `db.example:5432`, `container shop-db`. */
  readonly label: string
  /** Of one in a container, as its clients may be. */
  readonly place?: { readonly engine: EngineAddress; readonly container: string }
  /** Finds the client programs. Throws `SourceFailed` when there are none. */
  client(signal: AbortSignal): Promise<Client>
}

export interface Client {
  readonly major: number
  /** Whether they read and write files of this host, and so can work on one in parallel. */
  readonly hasOurFiles: boolean
  /** The program, told of the connection. A null database is the one that the address names. */
  program(name: ClientProgram, args: readonly string[], database?: string | null): Program
  /**
   * pg_restore of what its input holds, the entries of `list` alone. Null where it is given a file of
   * them instead.
   */
  readonly picking: ((list: string, args: readonly string[]) => Program) | null
  /** Runs psql to its end, whatever its exit code. */
  psql(args: readonly string[], session: Session): Promise<Pick<Output, 'stdout' | 'exit'>>
}

export interface Session {
  readonly database: string | null
  /** SQL. */
  readonly input: string
  /** In milliseconds. */
  readonly timeLimit: number
  readonly signal: AbortSignal
}

/** Bytes of an answer: the catalog of a server with a great many databases. */
const MAX_ANSWER = 64 * 1024 * 1024
/** Seconds to wait for a connection, where nothing else is said. */
const CONNECT_TIMEOUT = '15'

/** A server that is reached from here, by the client programs of this host. */
export function serverByAddress(
  { env, label }: Address,
  surroundings: Readonly<Record<string, string | undefined>>,
): Server {
  const shared = {
    PGCONNECT_TIMEOUT: surroundings.PGCONNECT_TIMEOUT ?? CONNECT_TIMEOUT,
    PGAPPNAME: 'holdfast',
    ...env,
  }
  return {
    label,
    async client(signal) {
      const found = await findPostgresClient(signal)
      if (found === null) {
        const hint = 'apt-get install postgresql-client'
        throw new SourceFailed('the client programs of PostgreSQL are not installed', { hint })
      }
      const program: Client['program'] = (name, args, database = null) => ({
        command: join(found.folder, name),
        args: [...args, '--no-password'],
        env: {
          ...shared,
          // A dump is in the database's own encoding; answers to us are in ours.
          PGCLIENTENCODING: name === 'psql' ? 'UTF8' : undefined,
          ...(database === null ? {} : { PGDATABASE: database }),
        },
      })
      return {
        major: found.major,
        hasOurFiles: true,
        picking: null,
        program,
        psql: (args, { database, ...session }) =>
          run(program('psql', args, database), { ...session, maxOutput: MAX_ANSWER }),
      }
    },
  }
}
