import type { Instant } from '../core/model.ts'
import type { UnfinishedObject } from '../core/observed.ts'
import { PROBES, probeBegunAt } from '../core/probe.ts'
import type { Target } from '../targets/target.ts'

/** A test that began longer ago is over, whoever made it. */
const LONGEST_TEST = 30 * 60_000

interface Found {
  readonly keys: readonly string[]
  readonly unfinished: readonly UnfinishedObject[]
}

/** Takes back all that is under `folder`. Gives the keys that the place does not let go. */
export async function leftIn(
  target: Target,
  folder: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  await takeBack(target, await probesUnder(target, folder, signal), signal)
  return (await probesUnder(target, folder, signal)).keys
}

/** Takes back what tests left that were killed: how many probes went, and how many stay. */
export async function sweepProbes(
  target: Target,
  now: Instant,
  signal: AbortSignal,
): Promise<{ readonly removed: number; readonly kept: number }> {
  const all = await probesUnder(target, PROBES, signal)
  const isOver = (key: string) => {
    const begunAt = probeBegunAt(key)
    return begunAt !== null && begunAt + LONGEST_TEST < now
  }
  const keys = all.keys.filter(isOver)
  const unfinished = all.unfinished.filter(({ key }) => isOver(key))
  const kept = await takeBack(target, { keys, unfinished }, signal)
  return { removed: keys.length + unfinished.length - kept, kept }
}

async function probesUnder(target: Target, prefix: string, signal: AbortSignal): Promise<Found> {
  const keys: string[] = []
  const unfinished: UnfinishedObject[] = []
  for await (const page of target.list(prefix, signal)) {
    keys.push(...page.objects.map(({ key }) => key))
    unfinished.push(...page.unfinished)
  }
  return { keys, unfinished }
}

/** Gives how many objects stay. */
async function takeBack(
  target: Target,
  { keys, unfinished }: Found,
  signal: AbortSignal,
): Promise<number> {
  for (const one of unfinished) await target.abort(one, signal)
  return keys.length === 0 ? 0 : (await target.remove(keys, signal)).size
}
