import type { TargetId } from '../core/model.ts'
import { targetStatuses } from '../core/status.ts'
import { openTarget, type World } from '../observe/world.ts'
import { roomTable, targetJson } from '../view/status.ts'
import type { Context, GlobalFlags } from './context.ts'
import { lookAround } from './look.ts'
import { open } from './opened.ts'

const UNREACHABLE = 13

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
      freeBytes: await freeOf(status.id, world, context.interrupted),
    })),
  )
  if (flags.json) {
    const rows = targets.map(({ status, freeBytes }) => ({ ...targetJson(status), freeBytes }))
    context.out(JSON.stringify({ targets: rows }, null, 2))
  } else context.out(roomTable(targets))
  return targets.some(({ status }) => status.state === 'unreachable') ? UNREACHABLE : 0
}

async function freeOf(id: TargetId, world: World, signal: AbortSignal): Promise<number | null> {
  try {
    return await (await openTarget(world, id)).free(signal)
  } catch {
    return null // the state of the row says why
  }
}
