import { randomBytes } from 'node:crypto'
import { open } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { messageOf, RestoreFailed } from '../../lib/errors.ts'
import { failureOf, type Program, startChain } from '../../platform/program.ts'
import { hintFor } from './ask.ts'
import { type Arrived, reading } from './content.ts'
import type { Client } from './server.ts'
import { conninfo } from './sql.ts'

/** Where and how a dump is loaded. */
export interface Load {
  readonly client: Client
  readonly database: string
  /** Tables at once, where that can be had. */
  readonly jobs: number | null
}

/** More at once than this seldom helps one disk. */
const USUAL_JOBS = 4

/**
 * Loads all of a dump into an empty database, and stops at the first error. Throws `RestoreFailed`;
 * what was loaded by then stays.
 */
export async function loadFresh(arrived: Arrived, load: Load, signal: AbortSignal): Promise<void> {
  if (arrived.kind !== 'archive') return await loadSql(arrived.path, load, signal)
  const jobs = load.jobs ?? Math.min(USUAL_JOBS, availableParallelism())
  const parallel = load.client.hasOurFiles ? [`--jobs=${jobs}`] : []
  await restoreArchive(arrived.path, [...parallel, '--exit-on-error'], load, signal)
}

/** Replaces what a live database holds of the dump's objects, in one transaction: all of them, or none. */
export async function loadOver(arrived: Arrived, load: Load, signal: AbortSignal): Promise<void> {
  if (arrived.kind !== 'archive') return await loadSql(arrived.path, load, signal)
  const args = ['--clean', '--if-exists', '--no-owner', '--single-transaction', '--exit-on-error']
  await restoreArchive(arrived.path, args, load, signal)
}

export async function restoreArchive(
  path: string,
  args: readonly string[],
  { client, database }: Load,
  signal: AbortSignal,
): Promise<void> {
  const { program, stdin } = reading(client, [...args, `--dbname=${conninfo(database)}`], path)
  await finish(program, stdin, signal)
}

/**
 * Runs a file of SQL in one transaction; by its input, for a server in a container sees no file of ours.
 * psql is told to take nothing but SQL from it: a dump of bad will could have it run a program here.
 */
export async function loadSql(
  path: string,
  { client, database }: Load,
  signal: AbortSignal,
): Promise<void> {
  const args = ['-Xq', '-v', 'ON_ERROR_STOP=1', '--single-transaction', '--output=/dev/null']
  const psql = (more: readonly string[]) =>
    client.program('psql', [...args, ...more, '--file=-'], database)
  await unlock(path)
  try {
    const key = randomBytes(16).toString('hex')
    await finish(psql([`--command=\\restrict ${key}`]), path, signal)
  } catch (error) {
    // A psql of before August 2025 has no such word, and has done nothing yet.
    if (!/invalid command \\restrict/.test(messageOf(error))) throw error
    await finish(psql([]), path, signal)
  }
}

const EDGE = 4096

/** Makes a comment of the lines by which a dump locks psql itself: it is locked already. */
async function unlock(path: string): Promise<void> {
  await using file = await open(path, 'r+')
  const { size } = await file.stat()
  for (const position of new Set([0, Math.max(0, size - EDGE)])) {
    const edge = Buffer.alloc(EDGE)
    const { bytesRead } = await file.read(edge, 0, EDGE, position)
    const text = edge.toString('latin1', 0, bytesRead)
    for (const { index, 0: line } of text.matchAll(/^\\(?:un)?restrict \w+$/gm)) {
      await file.write(`--${' '.repeat(line.length - 2)}`, position + index)
    }
  }
}

async function finish(program: Program, stdin: string | null, signal: AbortSignal): Promise<void> {
  await using input = stdin === null ? null : await open(stdin)
  const options = { stdin: input === null ? null : input.fd, stdout: 'ignore', signal } as const
  const chain = await startChain([program], options)
  const [exit] = await chain.exits
  signal.throwIfAborted()
  const failure = exit && failureOf(exit)
  if (!failure) return
  const said = complaintOf(exit.stderr) || failure.message
  const hint = hintOf(said)
  throw new RestoreFailed(`the dump could not be loaded: ${said}`, {
    cause: failure,
    ...(hint === null ? {} : { hint }),
  })
}

/** The first complaint with what belongs to it: the statement at fault may be pages long. */
function complaintOf(stderr: readonly string[]): string {
  const at = stderr.findIndex((line) =>
    /error:|ERROR:|FATAL:|was killed:|invalid command|restricted/.test(line),
  )
  return stderr
    .slice(Math.max(0, at), Math.max(0, at) + 3)
    .map((line) => line.trim())
    .join('; ')
    .slice(0, 1000)
}

/** Owners and rights name roles, which are not a database's own. */
export const ROLES_FIRST =
  'restore the roles first, from the source of globals, or all of the job by its name alone; --in-place leaves owners out'

function hintOf(said: string): string | null {
  if (/role "[^"]*" does not exist/.test(said)) return ROLES_FIRST
  if (/cannot drop inherited/.test(said)) {
    return 'pg_restore cannot take partitioned tables away in place: leave --in-place out'
  }
  if (/must be (owner|superuser|able to SET ROLE|member)|permission denied/.test(said)) {
    return 'restore as a superuser, or as the owner of everything; --in-place leaves owners out'
  }
  if (/extension "[^"]*" is not available|could not open extension control file/.test(said)) {
    return 'install the extension on the server first'
  }
  if (isFull(said)) return 'free some space on the server'
  if (/closed the connection|terminating connection/.test(said)) {
    return 'the server ended in the middle of it: see its log, and how full its disk is'
  }
  if (/does not exist|already exists|depends? on/.test(said)) return null
  return hintFor(said)
}

/** Whether a server's words are about a disk that is full. */
export function isFull(said: string): boolean {
  return /No space left|could not extend file/.test(said)
}
