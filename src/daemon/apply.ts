import type { Action } from '../core/action.ts'
import { appliedAfter, withFirstRunTaken } from '../core/applied.ts'
import type { Applied, Instant } from '../core/model.ts'
import type { Observed } from '../core/observed.ts'
import { plan } from '../core/plan.ts'
import { holdPatiently } from '../leases/lease.ts'
import { LeaseBusy } from '../lib/errors.ts'
import { observe } from '../observe/observe.ts'
import type { World } from '../observe/world.ts'

/** A command that applies a config is done with it in less. */
const PATIENCE = 10_000

/** Actions that change what is applied: targets and jobs that came, changed or went. */
export function isConfigAction(action: Action): boolean {
  return action.kind.startsWith('target.') || action.kind.startsWith('job.')
}

/**
 * Makes the config the applied one: new jobs owe slots from now on, renamed ones take their history
 * along, removed ones leave theirs where it is. Returns what changed. Throws `LeaseBusy`.
 */
export async function applyConfig(world: World, signal: AbortSignal): Promise<readonly Action[]> {
  const asked = { leases: world.leases, patience: PATIENCE }
  const turn = await holdPatiently(asked, 'deployment', signal, async (_lease, held) => {
    const scope = {
      jobs: null,
      depth: 'history',
      pruneConfirmed: false,
      restoreRequested: null,
    } as const
    const observed = await observe(scope, world, held)
    const now = world.now()
    const changes = plan(world.desired, observed, now).actions.filter(isConfigAction)
    for (const action of changes) {
      if (action.kind === 'job.update' && action.because.rule === 'renamed') {
        await world.store.renameJob(action.because.from, action.subject)
      }
    }
    if (changes.length > 0 || observed.applied === null) {
      await world.store.saveApplied(appliedNow(world, observed, now))
    }
    return changes
  })
  if (turn.kind === 'busy') throw new LeaseBusy('the deployment', turn.holder)
  return turn.value
}

/** A new schedule moves the time that slots are owed from; a first run that was had is not owed again. */
function appliedNow({ desired }: World, observed: Observed, now: Instant): Applied {
  const { applied, history } = observed
  const hadIt = (applied?.jobs ?? []).filter(({ id, since }) =>
    history.backups.some(
      ({ job, status, startedAt }) => job === id && status === 'success' && startedAt >= since,
    ),
  )
  const had = new Set(hadIt.map(({ id }) => id))
  return desired.jobs
    .filter(({ id, renamedFrom }) => had.has(id) || (renamedFrom !== null && had.has(renamedFrom)))
    .reduce((after, { id }) => withFirstRunTaken(after, id), appliedAfter(desired, applied, now))
}
