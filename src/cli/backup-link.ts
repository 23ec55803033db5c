import type { Choice } from '../core/choose.ts'
import type { Copy } from '../core/model.ts'
import { ObjectMissing, Refused } from '../lib/errors.ts'
import { withTimeLimit } from '../lib/limits.ts'
import { openTarget, type World } from '../observe/world.ts'
import type { Context, GlobalFlags } from './context.ts'

/** Signing needs no time; what takes long is a target that does not answer. */
const LIMIT = 60_000

/**
 * `backup download REF --link`: prints an address under which whoever has it can read the archive as
 * stored, for an hour. Of the copies, the first is taken whose target makes one. The address is
 * a secret: it is printed and nowhere logged. Throws `Refused` when no target makes any, else what
 * kept the first one from it.
 */
export async function tellLink(
  choice: Choice,
  world: World,
  flags: GlobalFlags,
  context: Context,
): Promise<void> {
  const failures: unknown[] = []
  for (const copy of choice.copies) {
    const limited = withTimeLimit(context.interrupted, LIMIT, `the link to ${copy.key}`)
    try {
      const link = await linkOf(copy, world, limited)
      if (link === null) continue
      const { key: storagePath, target, bytes: sizeBytes, sha256 } = copy
      context.out(
        flags.json ? JSON.stringify({ link, target, storagePath, sizeBytes, sha256 }) : link,
      )
      return
    } catch (error) {
      context.interrupted.throwIfAborted()
      failures.push(limited.aborted ? limited.reason : error)
    }
  }
  if (failures.length > 0) throw failures[0]
  throw noLink(choice)
}

/** An address for what is not there would be found out by somebody else, later. */
async function linkOf(copy: Copy, world: World, signal: AbortSignal): Promise<string | null> {
  const target = await openTarget(world, copy.target)
  const link = await target.link(copy.key, signal)
  if (link === null) return null
  const there = await target.stat(copy.key, signal)
  if (there !== null && there.bytes === copy.bytes) return link
  throw new ObjectMissing(copy.key, { at: copy.key })
}

function noLink({ copies }: Choice): Refused {
  const where = [...new Set(copies.map(({ target }) => target))].join(', ')
  return new Refused(
    copies.length === 0
      ? 'the backup has no complete copy'
      : `no address can be made for what lies on ${where}`,
    { hint: 'only buckets make addresses; download the archive itself: leave out --link' },
  )
}
