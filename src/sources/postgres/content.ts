import { mkdir, open, opendir } from 'node:fs/promises'
import { ArchiveDamaged, RestoreFailed } from '../../lib/errors.ts'
import { failureOf, run } from '../../platform/program.ts'
import { majorOf } from './catalog.ts'
import type { Client } from './server.ts'

/** A dump that arrived, as it turned out to be. */
export type Arrived =
  /** A file, or the folder of the format directory. */
  | { readonly kind: 'archive'; readonly path: string; readonly made: Made }
  | { readonly kind: 'plain'; readonly path: string; readonly made: Made }
  | { readonly kind: 'globals'; readonly path: string; readonly made: Made }

/** What a dump says of its making; null where it does not. */
export interface Made {
  /** Major version of the server. */
  readonly server: number | null
  readonly database: string | null
}

const EDGE = 4096
/** Listing the contents of a dump with a great many objects. */
const LIST_LIMIT = 600_000
const MAX_LIST = 256 * 1024 * 1024

/**
 * Tells by its content what arrived at `path`, and that its end is there. Throws `ArchiveDamaged` for
 * what is no dump or is cut off, `RestoreFailed` for one that the client programs cannot read.
 */
export async function inspect(path: string, client: Client, signal: AbortSignal): Promise<Arrived> {
  const { head, tail } = await edgesOf(path)
  if (head.startsWith('PGDMP')) return await archiveAt(path, client, signal)
  if (head.slice(257, 262) === 'ustar') return await unpacked(path, client, signal)
  const what = /^--\n-- PostgreSQL database (cluster )?dump$/m.exec(head)
  if (!what) throw new ArchiveDamaged('the content is no dump of PostgreSQL')
  if (!/^-- PostgreSQL database (cluster )?dump complete$/m.test(tail)) {
    throw new ArchiveDamaged('the dump is cut off: its last line is missing')
  }
  const made = madeBy(head)
  return { kind: what[1] === undefined ? 'plain' : 'globals', path, made }
}

async function edgesOf(path: string): Promise<{ readonly head: string; readonly tail: string }> {
  await using file = await open(path)
  const { size } = await file.stat()
  if (size === 0) throw new ArchiveDamaged('the dump is empty')
  const at = async (position: number) => {
    const room = Buffer.alloc(EDGE)
    const { bytesRead } = await file.read(room, 0, EDGE, position)
    return room.toString('latin1', 0, bytesRead)
  }
  return { head: await at(0), tail: await at(Math.max(0, size - EDGE)) }
}

async function archiveAt(path: string, client: Client, signal: AbortSignal): Promise<Arrived> {
  const lines = await listOf(path, client, signal)
  return { kind: 'archive', path, made: madeBy(lines.slice(0, 30).join('\n')) }
}

/** Both forms: `; Dumped from database version: 15.1` and `-- Dumped from database version 15.1`. */
function madeBy(text: string): Made {
  const server = /Dumped from database version:? (\d+)/.exec(text)?.[1]
  const database = /^;\s+dbname: (.*)$/m.exec(text)?.[1]
  return { server: server === undefined ? null : Number(server), database: database ?? null }
}

/** The table of contents of an archive, a line each. */
export async function listOf(
  path: string,
  client: Client,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { program, stdin } = reading(client, ['--list'], path)
  await using input = stdin === null ? null : await open(stdin)
  const options = { timeLimit: LIST_LIMIT, maxOutput: MAX_LIST, signal }
  const { stdout, exit } = await run(program, {
    ...options,
    ...(input === null ? {} : { stdin: input.fd }),
  })
  const failure = failureOf(exit)
  if (!failure) return stdout.split('\n')
  if (/unsupported version \(1\./.test(failure.tail)) {
    throw new RestoreFailed(`pg_restore ${client.major} cannot read the dump: ${failure.tail}`, {
      cause: failure,
      hint: 'it was made by a newer pg_dump: install that version of postgresql-client',
    })
  }
  throw new ArchiveDamaged(`the dump cannot be read: ${failure.tail}`, { cause: failure })
}

/** A program that reads the dump at `path`: by its name, or where it does not see our files by its input. */
export function reading(client: Client, args: readonly string[], path: string) {
  return client.hasOurFiles
    ? { program: client.program('pg_restore', [...args, path]), stdin: null }
    : { program: client.program('pg_restore', args), stdin: path }
}

/** Names of files that pg_dump makes; nothing else is taken out of a tar. */
const MEMBER = /^(toc\.dat|blobs(_\d+)?\.toc|(blob_)?\d+\.dat(\.(gz|zst|lz4))?)$/

async function unpacked(path: string, client: Client, signal: AbortSignal): Promise<Arrived> {
  if (!client.hasOurFiles) {
    throw new RestoreFailed('a dump in the format directory cannot be loaded into a container', {
      hint: 'reach the server by url, or write it to a file with --to FILE.tar',
    })
  }
  const folder = `${path}.d`
  await mkdir(folder, { mode: 0o700 })
  const args = ['--extract', `--file=${path}`, '--no-same-owner', '--no-same-permissions']
  const tar = { command: 'tar', args: [...args, `--directory=${folder}`], env: { LC_ALL: 'C' } }
  const { exit } = await run(tar, { timeLimit: 24 * 3_600_000, signal })
  const failure = failureOf(exit)
  if (failure) throw new ArchiveDamaged(`the dump cannot be unpacked: ${failure.tail}`)
  for await (const entry of await opendir(folder)) {
    if (entry.isFile() && MEMBER.test(entry.name)) continue
    throw new ArchiveDamaged(`the archive holds ${entry.name}, which pg_dump does not make`)
  }
  return await archiveAt(folder, client, signal)
}

/** Throws `RestoreFailed` for a dump of a newer server: it may hold what an older one does not know. */
export function refuseNewer(
  made: number | null,
  { label, version }: { readonly label: string; readonly version: number },
): void {
  const own = majorOf(version)
  if (made === null || made <= own) return
  throw new RestoreFailed(`the dump is of PostgreSQL ${made}, and ${label} is only ${own}`, {
    hint: `restore it into a server of version ${made} or newer, or write it to a file with --to FILE`,
  })
}
