import { isSqlEnd, SQL_END } from '../../lib/sql-end.ts'
import type { Dialect, DumpEnd, Environment, InContainer } from './settings.ts'

/**
 * One snapshot of all tables that have transactions; nobody is locked out. The last line, by which a
 * dump is known to be whole, is a comment, which a server's own settings may have turned off.
 */
const SNAPSHOT = ['--single-transaction', '--routines', '--events', '--comments']

const PASSWORDS = ['MYSQL_ROOT_PASSWORD', 'MARIADB_ROOT_PASSWORD'] as const

const END_OF_SQL: DumpEnd = {
  bytes: SQL_END,
  otherwise: 'is cut off: its last line is missing',
  hint: 'see whether its server or the engine ended meanwhile, and back it up again',
  isThere: isSqlEnd,
}

export const MYSQL: Dialect = sqlDialect('mysql', { dump: 'mysqldump', load: 'mysql' })
export const MARIADB: Dialect = sqlDialect('mariadb', { dump: 'mariadb-dump', load: 'mariadb' })

interface Programs {
  readonly dump: string
  readonly load: string
}

function sqlDialect(kind: string, programs: Programs): Dialect {
  return {
    kind,
    layer: 'sql',
    extension: '.sql',
    end: END_OF_SQL,
    chatter: null,
    passwords: PASSWORDS,
    dump(env, databases) {
      const which = databases.length === 0 ? ['--all-databases'] : ['--databases', ...databases]
      return sqlProgram(env, [programs.dump, '--user=root', ...SNAPSHOT, ...which])
    },
    load: (env) => sqlProgram(env, [programs.load, '--user=root']),
  }
}

/** What the file holds becomes the environment of the program alone. The script's words are ours alone. */
const FROM_FILE = 'MYSQL_PWD=$(cat "$HOLDFAST_FILE") && export MYSQL_PWD && exec "$@"'

/** The password by the environment, where both clients look for it. */
function sqlProgram(env: Environment, argv: readonly string[]): InContainer {
  const password = PASSWORDS.map((name) => env[name]).find(Boolean)
  const file = PASSWORDS.map((name) => env[`${name}_FILE`]).find(Boolean)
  if (password) return { argv, env: { MYSQL_PWD: password, LC_ALL: 'C' } }
  if (!file) return { argv, env: { LC_ALL: 'C' } }
  const inShell = ['sh', '-c', FROM_FILE, 'sh', ...argv]
  return { argv: inShell, env: { HOLDFAST_FILE: file, LC_ALL: 'C' } }
}

/**
 * An archive of mongodump ends with that of a collection: a document `{db, collection, EOF, CRC}` and
 * four bytes 0xff. One of a database that is not there has no collection, and mongodump ends with 0.
 */
const END_OF_ARCHIVE: DumpEnd = {
  bytes: 24,
  otherwise: 'holds no collection, or is cut off',
  hint: 'name a database that is there; or see whether its server or the engine ended meanwhile',
  isThere: (tail) =>
    tail.startsWith('\x08EOF\0\x01\x12CRC\0') && tail.endsWith('\0\xff\xff\xff\xff'),
}

export const MONGO: Dialect = {
  kind: 'mongo',
  layer: 'raw',
  extension: '.archive',
  end: END_OF_ARCHIVE,
  chatter: /^\S+\t(?:writing |done dumping |dumping up to |\[[#.]+\] )/,
  passwords: ['MONGO_INITDB_ROOT_PASSWORD'],
  dump: (env, databases) =>
    mongoProgram(env, ['mongodump', '--archive', ...databases.map((name) => `--db=${name}`)]),
  load: (env) => mongoProgram(env, ['mongorestore', '--archive', '--drop']),
}

/**
 * Its programs take a password by argument, by terminal or by a file: so by a file, which is gone when
 * the program is. The script's words are ours alone.
 */
const WITH_PASSWORD = `umask 077
file=$(mktemp) || exit 1
trap 'rm -f "$file"' EXIT
printf 'password: %s\\n' "$HOLDFAST_PASSWORD" >"$file"
"$@" --config="$file"`

function mongoProgram(env: Environment, argv: readonly string[]): InContainer {
  const { MONGO_INITDB_ROOT_USERNAME: user, MONGO_INITDB_ROOT_PASSWORD: password } = env
  if (!user || !password) return { argv, env: {} }
  const who = [`--username=${user}`, '--authenticationDatabase=admin']
  return {
    argv: ['sh', '-c', WITH_PASSWORD, 'sh', ...argv, ...who],
    // As YAML has it, whatever is in it.
    env: { HOLDFAST_PASSWORD: JSON.stringify(password) },
  }
}
