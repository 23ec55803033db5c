import { sayFarewell } from '../act/announce.ts'
import { Interrupted } from '../lib/errors.ts'
import { startTimer, unlessAborted } from '../lib/limits.ts'
import { formatDuration } from '../lib/time.ts'
import type { World } from '../observe/world.ts'
import type { Dispatch } from './dispatch.ts'

/** What was aborted gets this long to tidy up; what hangs in the system is left behind. */
const LAST_SECONDS = 10_000

/** A daemon that takes on no more work. */
export interface Draining {
  readonly world: World
  readonly dispatch: Pick<Dispatch, 'settle'>
  /** Aborts at an order to stop at once. */
  readonly stop: AbortSignal
  /** Aborts what runs. */
  readonly cut: AbortController
  /** Milliseconds that what was aborted gets; 10 seconds unless told. */
  readonly lastSeconds?: number
}

/**
 * Lets what runs end by itself for `drain_timeout`, then aborts it cleanly; a second order aborts at
 * once. Resolves at most `lastSeconds` and the farewell after the abort, whatever hangs.
 */
export async function drain({
  world,
  dispatch,
  stop,
  cut,
  lastSeconds = LAST_SECONDS,
}: Draining): Promise<'drained' | 'aborted'> {
  const limit = world.desired.drainTimeout
  world.report({
    event: 'daemon.draining',
    level: 'info',
    message: `taking no more slots; what runs has ${formatDuration(limit)} to end`,
  })
  const timer = startTimer(limit, () =>
    cut.abort(new Interrupted(`the drain took longer than ${formatDuration(limit)}`)),
  )
  const aborting = AbortSignal.any([stop, cut.signal])
  const left = await unlessAborted(dispatch.settle(), aborting, lastSeconds).then(
    () => '',
    (error: unknown) => {
      if (!aborting.aborted || error !== aborting.reason) throw error
      return ` and did not end within ${formatDuration(lastSeconds)}: it is left behind`
    },
  )
  timer.cancel()
  await sayFarewell(world)
  world.report({
    event: 'daemon.stopped',
    level: aborting.aborted ? 'warn' : 'info',
    message: aborting.aborted ? `stopped; what ran was aborted${left}` : 'stopped',
  })
  return aborting.aborted ? 'aborted' : 'drained'
}
