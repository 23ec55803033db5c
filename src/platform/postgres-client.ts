import { readdir, realpath } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { findProgram, run } from './program.ts'

/** The client programs of one version of PostgreSQL. */
export interface PostgresClient {
  /** Absolute. */
  readonly folder: string
  readonly major: number
}

/** Where Debian keeps the programs of each major version, beside each other. */
const VERSIONS = '/usr/lib/postgresql'

const ANSWER_LIMIT = 10_000

/**
 * The newest client programs: those on PATH, or those of a version that Debian keeps off it. Null when
 * there are none. An older pg_dump refuses a newer server; a newer one takes any.
 */
export async function findPostgresClient(
  signal: AbortSignal,
  versions = VERSIONS,
  path?: string,
): Promise<PostgresClient | null> {
  const found = [...(await beside(versions)), ...(await onPath(signal, path))]
  return found.toSorted((one, other) => other.major - one.major)[0] ?? null
}

async function beside(versions: string): Promise<readonly PostgresClient[]> {
  const names = await readdir(versions).catch(() => [])
  const clients = await Promise.all(
    names.map(async (name): Promise<PostgresClient | null> => {
      const folder = join(versions, name, 'bin')
      const isThere = (await findProgram(join(folder, 'pg_dump'))) !== null
      return isThere && /^\d+$/.test(name) ? { folder, major: Number(name) } : null
    }),
  )
  return clients.filter((client) => client !== null)
}

async function onPath(
  signal: AbortSignal,
  path: string | undefined,
): Promise<readonly PostgresClient[]> {
  const program = await findProgram('pg_dump', path)
  // Debian's wrapper chooses among those beside, by clusters that this machine may not have.
  if (program === null || basename(await realpath(program)) === 'pg_wrapper') return []
  const { stdout } = await run(
    { command: program, args: ['--version'] },
    { timeLimit: ANSWER_LIMIT, signal },
  )
  const major = / (\d+)/.exec(stdout)?.[1]
  return major === undefined ? [] : [{ folder: dirname(program), major: Number(major) }]
}
