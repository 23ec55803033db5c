/** PostgreSQL, in a folder of its own. */
import { chownSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { call, partIn, type Running } from './parts.ts'

const PROGRAMS = '/usr/lib/postgresql/15/bin'
/** The server refuses to run as root; this is the account that Debian's package makes. */
const ACCOUNT = 'postgres'

export interface Postgres {
  readonly part: Running
  /** Holds all its data. */
  readonly folder: string
  readonly url: string
}

/** A new one, not started yet. Its folder is not below `run`, which that account need not be able to enter. */
export async function makePostgres(run: string, port: number, password: string): Promise<Postgres> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-ha-postgres-'))
  const passwordFile = join(folder, 'password')
  writeFileSync(passwordFile, password, { mode: 0o600 })
  const as = await account([folder, passwordFile])
  const data = join(folder, 'data')
  const login = ['-U', 'holdfast', '--auth=scram-sha-256', `--pwfile=${passwordFile}`]
  await call([...as, `${PROGRAMS}/initdb`, '-D', data, ...login, '-E', 'UTF8', '--locale=C.UTF-8'])
  const options = [
    'listen_addresses=127.0.0.1',
    `port=${port}`,
    `unix_socket_directories=${folder}`,
  ]
  const part = partIn(run, {
    name: 'postgres',
    at: `127.0.0.1:${port}`,
    command: [...as, `${PROGRAMS}/postgres`, '-D', data, ...options.flatMap((one) => ['-c', one])],
    // It does not wait for sessions that are open.
    end: 'SIGINT',
    isUp: async () => {
      await call(['pg_isready', '-q', '-h', '127.0.0.1', '-p', `${port}`])
      return true
    },
  })
  return { part, folder, url: `postgres://holdfast:${password}@127.0.0.1:${port}/postgres` }
}

/** Words that run a program as that account, which is given the files, where we are root. */
async function account(files: readonly string[]): Promise<readonly string[]> {
  if (process.getuid?.() !== 0) return []
  const [user, group] = await Promise.all(['-u', '-g'].map((flag) => call(['id', flag, ACCOUNT])))
  for (const file of files) chownSync(file, Number(user), Number(group))
  return ['setpriv', `--reuid=${ACCOUNT}`, `--regid=${ACCOUNT}`, '--init-groups', '--']
}
