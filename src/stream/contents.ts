import { StringDecoder } from 'node:string_decoder'
import { ArchiveDamaged, Refused } from '../lib/errors.ts'
import { type Chain, failureOf, startChain } from '../platform/program.ts'
import { contentOf, feed, type Opening, tellApart } from './content.ts'

/**
 * The members of a tar archive as `tar -tv` prints them, a line each, as they are read. Throws
 * `Refused` for an archive that has no members, and as `readThrough` does.
 */
export async function* listContents(
  body: AsyncIterable<Uint8Array>,
  opening: Opening,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const { content } = tellApart(opening.layers)
  if (content !== 'tar') {
    throw new Refused(`the archive is one ${content} file: it has no list of contents`)
  }
  const args = ['--list', '--verbose', '--numeric-owner', '--quoting-style=escape', '--file=-']
  const chain = await startChain([{ command: 'tar', args }], { stdin: 'pipe', signal })
  // tar waits for the rest of an archive that is torn: it must be ended, or its list never does.
  const feeding = feed(chain, contentOf(body, opening, signal)).then(
    () => null,
    (error: unknown) => {
      void chain.stop()
      return { error }
    },
  )
  try {
    yield* linesOf(chain)
    const torn = await feeding
    if (torn) throw torn.error
    const [exit] = await chain.exits
    const failure = exit ? failureOf(exit) : null
    if (failure) throw damaged(failure.tail, failure)
  } catch (cause) {
    signal.throwIfAborted()
    throw (await feeding)?.error ?? cause
  } finally {
    await chain.stop()
  }
}

async function* linesOf({ stdout }: Chain): AsyncGenerator<string> {
  const decoder = new StringDecoder('utf8')
  let open = ''
  for await (const chunk of stdout ?? []) {
    const lines = (open + decoder.write(chunk)).split('\n')
    open = lines.pop() ?? ''
    yield* lines
  }
}

function damaged(how: string, cause: unknown): ArchiveDamaged {
  return new ArchiveDamaged(`the tar in the archive cannot be read to its end: ${how}`, { cause })
}
