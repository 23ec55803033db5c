import type { PostureAction } from '../core/action.ts'
import type { TargetId } from '../core/model.ts'
import { groupedBy } from '../core/order.ts'
import { settingWords } from '../core/plan-posture.ts'
import { type PostureSeen, unmetOf } from '../core/posture.ts'
import { holdPatiently } from '../leases/lease.ts'
import { LeaseBusy, TargetUnreachable } from '../lib/errors.ts'
import { withTimeLimit } from '../lib/limits.ts'
import { observePosture } from '../observe/postures.ts'
import { configureTarget, declaredTarget, type World } from '../observe/world.ts'

/** Somebody else who sets the same is done with it in less. */
const PATIENCE = 30_000
/** Of one setting. */
const SET_LIMIT = 60_000

/** What became of one setting. */
export type PostureOutcome = { readonly action: PostureAction } & (
  | { readonly kind: 'set' }
  | { readonly kind: 'failed'; readonly error: unknown }
)

/** What was set, and how the targets stand after it. */
export interface PosturesSet {
  readonly outcomes: readonly PostureOutcome[]
  readonly after: ReadonlyMap<TargetId, PostureSeen>
}

/**
 * Sets what these actions name and may be set, as far as it still differs, and looks again. The
 * failure of one is a value: it costs no other its turn. Throws `LeaseBusy`.
 */
export async function setPostures(
  actions: readonly PostureAction[],
  world: World,
  signal: AbortSignal,
): Promise<PosturesSet> {
  const outcomes: PostureOutcome[] = []
  const after = new Map<TargetId, PostureSeen>()
  const asked = { leases: world.leases, patience: PATIENCE }
  for (const [target, those] of groupedBy(actions, ({ subject }) => subject)) {
    // Rules of a bucket are read, changed and written whole: two at once would lose one.
    const turn = await holdPatiently(asked, `posture:${target}`, signal, async (_lease, held) => {
      outcomes.push(...(await setOnTarget(target, those, world, held)))
      const seen = await observePosture(declaredTarget(world.desired, target), world, held)
      if (seen !== null) after.set(target, seen)
      tellSet(outcomes, target, { seen, world })
    })
    if (turn.kind === 'busy') throw new LeaseBusy(`the settings of ${target}`, turn.holder)
  }
  return { outcomes, after }
}

async function setOnTarget(
  id: TargetId,
  actions: readonly PostureAction[],
  world: World,
  signal: AbortSignal,
): Promise<readonly PostureOutcome[]> {
  const declared = declaredTarget(world.desired, id)
  // Somebody may have set it, or more than it, since the plan was made.
  const now = await observePosture(declared, world, signal)
  if (now?.kind === 'unreachable') {
    const error = new TargetUnreachable(`cannot look at how ${id} is set up: ${now.error}`)
    return actions.map((action) => ({ action, kind: 'failed', error }))
  }
  const owed = new Set(
    unmetOf(now ?? undefined).flatMap((one) => (one.settable ? one.setting : [])),
  )
  const { posture } = await configureTarget(world, declared)
  const outcomes: PostureOutcome[] = []
  for (const action of actions) {
    const { setting } = action.because
    if (!action.settable || !owed.has(setting)) continue
    const what = `setting ${settingWords(setting)} of ${id}`
    try {
      await posture?.set(setting, withTimeLimit(signal, SET_LIMIT, what))
      outcomes.push({ action, kind: 'set' })
    } catch (error) {
      signal.throwIfAborted()
      outcomes.push({ action, kind: 'failed', error })
    }
  }
  return outcomes
}

interface Told {
  readonly seen: PostureSeen | null
  readonly world: World
}

/** What was taken and does not show is told as that: places may take a while. */
function tellSet(
  outcomes: readonly PostureOutcome[],
  target: TargetId,
  { seen, world }: Told,
): void {
  const unmet = new Map(unmetOf(seen ?? undefined).map((one) => [one.setting, one.found]))
  for (const { action, kind } of outcomes) {
    if (kind !== 'set' || action.subject !== target) continue
    const { setting, expected, found: before } = action.because
    const found = unmet.get(setting)
    const words = `set ${settingWords(setting)} of target ${target} to: ${expected}`
    world.report({
      event: 'posture.set',
      level: found === undefined ? 'info' : 'warn',
      message: found === undefined ? words : `${words}; it still says: ${found}`,
      target,
      detail: { setting, expected, before, found: found ?? expected },
    })
  }
}
