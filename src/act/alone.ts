import { acquirePatiently } from '../leases/lease.ts'
import { LeaseBusy } from '../lib/errors.ts'
import type { World } from '../observe/world.ts'
import type { SourceContext } from '../sources/source.ts'
import { isLeft } from './holds-left.ts'

/** How long somebody else may be at work on it, in milliseconds; what a job may take ends it sooner. */
const PATIENCE = 60 * 60_000

/** How a source keeps others away from what more than one source may be about. */
export interface Holds extends AsyncDisposable {
  readonly alone: Required<SourceContext>['alone']
  /** Whatever it was given so far. */
  names(): readonly string[]
}

/** Who else may have what nobody holds a lease of. */
const CUT_SHORT = 'a restore that was cut short, until a start of Holdfast puts it in order'

/** Lets go of all, at the latest when it is disposed of; waits for others as long as it is patient. */
export function openHolds(world: World, patience = PATIENCE): Holds {
  const { leases } = world
  const held = new AsyncDisposableStack()
  const names: string[] = []
  return {
    names: () => names,
    async alone(name, signal) {
      const lease = await acquirePatiently({ leases, patience }, name, signal)
      if (lease.kind === 'busy') throw new LeaseBusy(name, lease.holder)
      const { confirm, release } = lease
      const hold = { confirm, [Symbol.asyncDispose]: () => release().catch(() => {}) }
      held.use(hold)
      if (await isLeft(name, world)) throw new LeaseBusy(name, CUT_SHORT)
      names.push(name)
      return hold
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}
