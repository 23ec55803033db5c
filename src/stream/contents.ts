import { createInterface } from 'node:readline'
import { ArchiveDamaged, Refused } from '../lib/errors.ts'
import { failureOf, startChain } from '../platform/program.ts'
import { contentOf, feed, type Opening, tellApart } from './content.ts'
import { meter } from './meter.ts'

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
  if (content !== 'tar')
    throw new Refused(`the archive is one ${content} file: it has no list of contents`)
  const args = ['--list', '--verbose', '--numeric-owner', '--quoting-style=escape', '--file=-']
  const chain = await startChain([{ command: 'tar', args }], { stdin: 'pipe', signal })
  const feeding = feed(chain, contentOf(body, opening, signal, meter()))
  feeding.catch(() => {})
  try {
    if (chain.stdout) yield* createInterface({ input: chain.stdout })
    await feeding
    const [exit] = await chain.exits
    const failure = exit ? failureOf(exit) : null
    if (failure)
      throw new ArchiveDamaged(
        `the tar in the archive cannot be read to its end: ${failure.tail}`,
        { cause: failure },
      )
  } finally {
    await chain.stop()
  }
}
