import { loadConfig } from '../../src/config/load.ts'
import type { Event } from '../../src/core/event.ts'
import type { Instant } from '../../src/core/model.ts'
import { openSession } from '../../src/daemon/session.ts'
import type { World } from '../../src/observe/world.ts'
import { sourceKinds } from '../../src/sources/index.ts'
import { targetKinds } from '../../src/targets/index.ts'

/** A folder with a config in it. */
interface Place {
  readonly root: string
  at(...path: string[]): string
}

/** Opens the real world of a workspace for `act`: its config, its state, its leases. */
export async function inWorld<T>(
  work: Place,
  act: (world: World, events: readonly Event[]) => Promise<T>,
): Promise<T> {
  const desired = await loadConfig({ path: work.at('holdfast.yml'), env: {}, cwd: work.root })
  const events: Event[] = []
  await using session = await openSession(desired, {
    env: {},
    cwd: work.root,
    now: () => Date.now() as Instant,
    version: '0.0.0-test',
    plugins: { targets: targetKinds, sources: sourceKinds },
    report: (event) => void events.push(event),
    progress: () => {},
  })
  return await act(session.world(desired), events)
}
