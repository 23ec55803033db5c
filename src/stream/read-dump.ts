import { join } from 'node:path'
import { ArchiveDamaged, NotAvailable } from '../lib/errors.ts'
import { isSqlEnd, SQL_END } from '../lib/sql-end.ts'
import { findPostgresClient } from '../platform/postgres-client.ts'
import { failureOf, startChain } from '../platform/program.ts'
import { feed } from './content.ts'

/**
 * Reads a dump of pg_dump to its end, as pg_restore does: a list of its contents alone would not tell
 * that its data is cut off. Throws `ArchiveDamaged`, and whatever `content` throws; `NotAvailable`
 * for one that a newer pg_dump made. Resolves to false without pg_restore on this machine: then its
 * bytes came to their end, and nobody looked at what they are.
 */
export async function readDump(
  content: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<boolean> {
  const client = await findPostgresClient(signal)
  if (client === null) {
    for await (const _ of content);
    return false
  }
  const program = { command: join(client.folder, 'pg_restore'), args: ['--file=/dev/null'] }
  const chain = await startChain([program], { stdin: 'pipe', stdout: 'ignore', signal })
  try {
    await feed(chain, content)
    const [exit] = await chain.exits
    signal.throwIfAborted()
    const failure = exit ? failureOf(exit) : null
    if (failure && /unsupported version \(1\./.test(failure.tail)) {
      const hint = 'install the version of postgresql-client that made it'
      throw new NotAvailable(`reading this dump with pg_restore ${client.major}`, { hint })
    }
    if (failure) throw damaged(failure.tail, failure)
    return true
  } catch (cause) {
    signal.throwIfAborted()
    throw cause
  } finally {
    await chain.stop()
  }
}

/** Reads a dump as SQL to its end, which says of itself that it is the end. Throws `ArchiveDamaged`. */
export async function readSql(content: AsyncIterable<Uint8Array>): Promise<void> {
  let tail: Buffer = Buffer.alloc(0)
  for await (const chunk of content) {
    const last = chunk.subarray(-SQL_END)
    tail = Buffer.concat(last.length === SQL_END ? [last] : [tail, last]).subarray(-SQL_END)
  }
  if (isSqlEnd(tail.toString('latin1'))) return
  throw damaged('its last line is missing')
}

function damaged(how: string, cause?: unknown): ArchiveDamaged {
  return new ArchiveDamaged(`the dump in the archive cannot be read to its end: ${how}`, { cause })
}
