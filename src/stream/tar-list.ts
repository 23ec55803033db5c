import type { Readable } from 'node:stream'
import { ArchiveDamaged } from '../lib/errors.ts'
import { failureOf, startChain } from '../platform/program.ts'
import { feed } from './content.ts'

/** A tar ends with two blocks of zeros. */
const END = 1024

/**
 * Reads a tar to its end and counts its members. Throws `ArchiveDamaged` for one that is cut off,
 * also between two members, where tar itself sees nothing wrong; and whatever `content` throws.
 */
export async function countMembers(
  content: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<number> {
  let tail: Buffer = Buffer.alloc(0)
  async function* watched() {
    for await (const chunk of content) {
      tail = chunk.length >= END ? Buffer.from(chunk.subarray(-END)) : joined(tail, chunk)
      yield chunk
    }
  }
  // Quoted, so that a name with a line break is still one line.
  const args = ['--list', '--quoting-style=escape', '--file=-']
  const chain = await startChain([{ command: 'tar', args }], { stdin: 'pipe', signal })
  const counting = countLines(chain.stdout)
  counting.catch(() => {})
  try {
    await feed(chain, watched())
    const members = await counting
    const [exit] = await chain.exits
    signal.throwIfAborted()
    const failure = exit ? failureOf(exit) : null
    if (failure) throw damaged(failure.tail, failure)
    if (tail.length < END || tail.some((byte) => byte !== 0)) throw damaged('its end is missing')
    return members
  } catch (cause) {
    signal.throwIfAborted()
    throw cause
  } finally {
    await chain.stop()
  }
}

function joined(tail: Buffer, chunk: Uint8Array): Buffer {
  return Buffer.concat([tail, chunk]).subarray(-END)
}

async function countLines(output: Readable | null): Promise<number> {
  let lines = 0
  for await (const chunk of output ?? []) for (const byte of chunk) if (byte === 10) lines++
  return lines
}

function damaged(how: string, cause?: unknown): ArchiveDamaged {
  return new ArchiveDamaged(`the tar in the archive cannot be read to its end: ${how}`, { cause })
}
