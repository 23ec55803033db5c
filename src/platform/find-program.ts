import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import process from 'node:process'
import { ProgramFailed } from '../lib/errors.ts'

/** Absolute path of the executable that `name` runs, or null. A name with a slash is looked at itself. */
export async function findProgram(
  name: string,
  path: string | undefined = process.env.PATH,
): Promise<string | null> {
  if (name.includes('/')) return (await isExecutable(name)) ? name : null
  for (const folder of (path ?? '').split(delimiter)) {
    // An empty entry would mean the working directory: nothing there is meant to be run.
    if (folder === '') continue
    const candidate = join(folder, name)
    if (await isExecutable(candidate)) return candidate
  }
  return null
}

/** Those of `names` that can be run. */
export async function programsOnPath(
  names: readonly string[],
  path: string | undefined = process.env.PATH,
): Promise<ReadonlySet<string>> {
  const found = await Promise.all(names.map((name) => findProgram(name, path)))
  return new Set(names.filter((_, index) => found[index] !== null))
}

interface Attempt {
  readonly command: string
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly cwd?: string
}

/**
 * Why `attempt` could not start, in words. ENOENT is ambiguous: the program, its interpreter or the
 * folder to start it in may be what is missing.
 */
export async function startFailure(attempt: Attempt, cause: unknown): Promise<ProgramFailed> {
  const { command } = attempt
  const failed = (how: string, options = {}) =>
    new ProgramFailed(command, { how }, { cause, ...options })
  const code = cause instanceof Error && 'code' in cause ? cause.code : null
  if (code === 'EACCES') return failed('cannot start: permission denied')
  if (code !== 'ENOENT') return failed(`cannot start (${code ?? 'unknown error'})`)
  if (attempt.cwd !== undefined && !(await isDirectory(attempt.cwd))) {
    return failed(`cannot start: no directory ${attempt.cwd}`)
  }
  if ((await findProgram(command, attempt.env?.PATH ?? process.env.PATH)) !== null) {
    return failed('cannot start: its interpreter is missing')
  }
  return failed('is not installed', { hint: installHint(command) })
}

/** Debian packages of the programs that we run ourselves, where the name differs. */
const PACKAGES: Readonly<Record<string, string>> = {
  pg_dump: 'postgresql-client',
  pg_dumpall: 'postgresql-client',
  pg_restore: 'postgresql-client',
  psql: 'postgresql-client',
  mysqldump: 'default-mysql-client',
  'redis-cli': 'redis-tools',
  setpriv: 'util-linux',
  fuser: 'psmisc',
  tar: 'tar',
  zstd: 'zstd',
  gzip: 'gzip',
  pigz: 'pigz',
  age: 'age',
  sqlite3: 'sqlite3',
  lsof: 'lsof',
  git: 'git',
}

function installHint(command: string): string {
  const named = PACKAGES[command]
  return named === undefined
    ? `install ${command}, or name it by its absolute path; what is in PATH is found`
    : `apt-get install ${named}`
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK)
    return (await stat(path)).isFile()
  } catch {
    return false
  }
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch {
    return false
  }
}
