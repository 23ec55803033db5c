import type { DesiredTarget, TargetId } from '../core/model.ts'
import type { PostureSeen } from '../core/posture.ts'
import { messageOf } from '../lib/errors.ts'
import { unlessAborted, withTimeLimit } from '../lib/limits.ts'
import { configureTarget, type World } from './world.ts'

/** A handful of small requests; whoever takes longer is as good as away. */
const LOOK_LIMIT = 30_000

/** How the declared targets are set up, where something is expected of them. Costs at most its limit. */
export async function observePostures(
  world: World,
  signal: AbortSignal,
): Promise<ReadonlyMap<TargetId, PostureSeen>> {
  const all = await Promise.all(
    world.desired.targets.map(async (target) => {
      const seen = await observePosture(target, world, signal)
      return seen === null ? [] : ([[target.id, seen]] as const)
    }),
  )
  return new Map(all.flat())
}

/** How one target is set up; null where nothing is expected. What fails is a value, but for the signal. */
export async function observePosture(
  declared: DesiredTarget,
  world: World,
  signal: AbortSignal,
): Promise<PostureSeen | null> {
  const limited = withTimeLimit(signal, LOOK_LIMIT, `the look at how ${declared.id} is set up`)
  try {
    const { posture } = await configureTarget(world, declared)
    if (posture === null) return null
    const findings = await unlessAborted(posture.observe(limited), limited)
    return { kind: 'seen', findings }
  } catch (error) {
    signal.throwIfAborted()
    return { kind: 'unreachable', error: messageOf(limited.aborted ? limited.reason : error) }
  }
}
