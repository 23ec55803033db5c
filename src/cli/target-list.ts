import type { TargetId } from '../core/model.ts'
import { targetStatuses } from '../core/status.ts'
import { unlessAborted, withTimeLimit } from '../lib/limits.ts'
import { openTarget, type World } from '../observe/world.ts'
import { targetJson } from '../view/status.ts'
import { renderTargets } from '../view/targets.ts'
import type { Context, GlobalFlags } from './context.ts'
import { lookAround } from './look.ts'
import { open } from './opened.ts'

const UNREACHABLE = 13
/** One request; whoever takes longer is as good as away. */
const FREE_LIMIT = 30_000

/** `target list`: what each target holds of ours and of others, and what room it has. 13 when one cannot be looked at. */
export async function targetList(
  _words: readonly string[],
  flags: GlobalFlags,
  context: Context,
): Promise<number> {
  await using opened = await open(flags, context)
  const { world, desired } = opened
  const { observed } = await lookAround(world, context, null)
  const targets = await Promise.all(
    targetStatuses(desired, observed).map(async (status) => ({
      status,
      // Who could not be listed is not waited for a second time.
      freeBytes:
        status.state === 'unreachable' ? null : await freeOf(status.id, world, context.interrupted),
    })),
  )
  if (flags.json) {
    const rows = targets.map(({ status, freeBytes }) => ({ ...targetJson(status), freeBytes }))
    context.out(JSON.stringify({ targets: rows }, null, 2))
  } else context.out(renderTargets(targets, world.now()))
  return targets.some(({ status }) => status.state === 'unreachable') ? UNREACHABLE : 0
}

async function freeOf(id: TargetId, world: World, signal: AbortSignal): Promise<number | null> {
  try {
    const limited = withTimeLimit(signal, FREE_LIMIT, `the free space of ${id}`)
    const target = await openTarget(world, id)
    return await unlessAborted(target.free(limited), limited)
  } catch {
    signal.throwIfAborted()
    return null // the state of the row says why
  }
}
