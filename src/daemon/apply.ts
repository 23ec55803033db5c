import type { Action } from '../core/action.ts'
import { appliedAfter, withFirstRunTaken } from '../core/applied.ts'
import type { Applied, Instant } from '../core/model.ts'
import type { Observed } from '../core/observed.ts'
import { plan } from '../core/plan.ts'
import { planJobs, planTargets } from '../core/plan-config.ts'
import { holdPatiently } from '../leases/lease.ts'
import { count } from '../lib/count.ts'
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

/**
 * Somebody applied another file to this state: where this daemon is alone its own file is the truth,
 * and its jobs owe their slots. Among several instances the newest word stands, because two files
 * that take turns would make every schedule begin anew, for ever; the difference is told.
 */
export async function agreeOnConfig(world: World, signal: AbortSignal): Promise<void> {
  const changes = await changesOfConfig(world)
  if (changes.length === 0) return
  const told = changes.map(({ kind, subject }) => ({ kind, subject }))
  if (world.fleet !== null) {
    if (!world.news('config.differs', JSON.stringify(told))) return
    world.report({
      event: 'config.differs',
      level: 'warn',
      message: `another instance applied another config (${count(told.length, 'difference', 'differences')}): what is new here is not scheduled before this file is applied`,
      detail: { changes: told },
    })
    return
  }
  await applyConfig(world, signal)
  world.report({
    event: 'plan.made',
    level: 'warn',
    message: `another config was applied to this state meanwhile: applied this one again (${count(told.length, 'change', 'changes')})`,
    detail: { changes: told },
  })
}

async function changesOfConfig({ desired, store, now }: World): Promise<readonly Action[]> {
  const applied = await store.applied()
  const history = { depth: 'recent', runs: [], backups: [], copies: [], restores: [] } as const
  const seen = { applied, history }
  return [...planTargets(desired, seen), ...planJobs(desired, seen, now())]
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
