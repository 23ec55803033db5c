import { setTimeout as sleep } from 'node:timers/promises'
import { LeaseBusy } from '../lib/errors.ts'
import type { World } from '../observe/world.ts'
import type { SourceContext } from '../sources/source.ts'

/** How long somebody else may be at work on it, in milliseconds; what a job may take ends it sooner. */
const PATIENCE = 60 * 60_000
/** Between two looks. */
const LOOK_AGAIN = 250

/** How a source keeps others away from what more than one source may be about. */
export interface Holds extends AsyncDisposable {
  readonly alone: Required<SourceContext>['alone']
}

/** Lets go of all, at the latest when it is disposed of; waits for others as long as it is patient. */
export function openHolds({ leases }: World, patience = PATIENCE): Holds {
  const held = new AsyncDisposableStack()
  return {
    async alone(name, signal) {
      const until = performance.now() + patience
      for (;;) {
        const lease = await leases.acquire(name)
        if (lease.kind === 'granted') {
          const { confirm, release } = lease
          return held.use({ confirm, [Symbol.asyncDispose]: () => release().catch(() => {}) })
        }
        if (performance.now() >= until) throw new LeaseBusy(name, lease.holder)
        // What a timer throws when it is aborted says nothing of why.
        await sleep(LOOK_AGAIN, undefined, { signal }).catch(() => signal.throwIfAborted())
      }
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}
