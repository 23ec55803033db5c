import type { Plan } from '../core/action.ts'
import type { JobId } from '../core/model.ts'
import type { Observed } from '../core/observed.ts'
import { plan } from '../core/plan.ts'
import { requestedRestore } from '../daemon/boot.ts'
import { observe } from '../observe/observe.ts'
import type { World } from '../observe/world.ts'
import type { Context } from './context.ts'

/** The whole world as it is, and what would be done about it. Changes nothing. */
export async function lookAround(
  world: World,
  context: Context,
  jobs: readonly JobId[] | null,
): Promise<{ readonly observed: Observed; readonly plan: Plan }> {
  const scope = {
    jobs,
    depth: jobs ? 'groups' : 'all',
    pruneConfirmed: false,
    restoreRequested: requestedRestore(context.env),
  } as const
  const observed = await observe(scope, world, context.interrupted)
  return { observed, plan: plan(world.desired, observed, world.now()) }
}
