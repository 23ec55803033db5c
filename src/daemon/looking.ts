import { skip } from '../act/skip.ts'
import type { Action } from '../core/action.ts'
import { nextMoment } from '../core/agenda.ts'
import type { Desired, Instant, JobId } from '../core/model.ts'
import { narrowObserved } from '../core/narrow.ts'
import type { Observed } from '../core/observed.ts'
import { groupedBy } from '../core/order.ts'
import { ownersIn } from '../core/owner.ts'
import { plan } from '../core/plan.ts'
import { observe } from '../observe/observe.ts'
import type { World } from '../observe/world.ts'
import type { Pulse } from '../state/store.ts'
import { type Agenda, createAgenda } from './agenda.ts'
import { agreeOnConfig } from './apply.ts'
import type { Mending } from './mending.ts'
import {
  declaredAmong,
  isAttempt,
  jobsOf,
  orphansIn,
  runsToEnd,
  watchForRestores,
  watchForStrays,
} from './orphans.ts'
import { recoverRuns } from './recover.ts'
import { recoverRestores } from './recover-restores.ts'
import type { Surroundings } from './stock.ts'
import { EVERY_KIND } from './turn.ts'

/** What jobs are owed, by the history alone. */
export type Owed = ReadonlyMap<JobId, readonly Action[]>

/** What a pass has to deal with. */
export interface Look {
  /** The jobs that were looked at. */
  readonly asked: ReadonlySet<JobId>
  readonly owed: Owed
  /** Jobs among them with an attempt that somebody left behind: its slot is older than any due now. */
  readonly left: ReadonlySet<JobId>
  /** Whether other instances are at work: should one of them die, its work is to be taken over soon. */
  readonly othersAtWork: boolean
}

/** Looks at what may have changed, and at nothing else: a job that rests costs a pass nothing. */
export interface Looking {
  look(signal: AbortSignal): Promise<Look>
  readonly agenda: Agenda
}

export interface LookingParts extends Pick<Surroundings, 'world' | 'vitals'> {
  /** Jobs with a turn under way. */
  readonly workers: Pick<ReadonlyMap<JobId, unknown>, 'keys'>
  /** Jobs that an inventory found work for. */
  readonly wanted: ReadonlySet<JobId>
  /** What was left behind of jobs that are declared no more is settled by a look at whole targets. */
  readonly askInventory: () => void
  /** What sources have left to be undone is undone beside the passes. */
  readonly mending: Pick<Mending, 'begin' | 'awake'>
  /** Tells milliseconds; that of the process unless told. */
  readonly clock?: () => number
}

/** Remembers from pass to pass when to look at which job. */
export function createLooking(parts: LookingParts): Looking {
  const { world, workers, wanted, vitals, askInventory, mending, clock } = parts
  const agenda = createAgenda()
  const changeIn = watchForChanges()
  const movedOn = watchForEnds()
  let notesDue = performance.now()
  const hasNewStrays = watchForStrays()
  const leftRestores = watchForRestores(clock)
  const tried = new Set<string>()
  return {
    agenda,
    async look(signal) {
      const current = world()
      const atWork = new Set(workers.keys())
      const pulse = await current.store.pulse((current.now() - RECENT) as Instant)
      for (const job of workers.keys()) atWork.add(job)
      // Renamed by a reload while it ran: its rows have the new name, its work the one before.
      for (const { id, renamedFrom } of current.desired.jobs) {
        if (renamedFrom !== null && atWork.has(renamedFrom)) atWork.add(id)
      }
      vitals?.looked(NOTHING)
      const orphans = await orphansIn(pulse, atWork, current)
      const restores = leftRestores(orphans)
      if (restores && (await recoverRestores(current, signal, { tried })) === 'held')
        restores.take()
      const runs = runsToEnd(orphans)
      if (runs.length > 0) await recoverRuns(runs, current, signal)
      if (orphans.length > 0 || performance.now() >= notesDue) {
        mending.begin()
        notesDue = performance.now() + NOTES_EVERY
      }
      // Whoever begins now finds up what a dead one has stopped.
      if (orphans.length > 0) await mending.awake(signal)
      if (hasNewStrays(orphans, current.desired)) askInventory()
      const change = changeIn(current.desired, pulse)
      if (change !== null) {
        await agreeOnConfig(current, signal)
        agenda.renew(current.desired)
        change.take()
      }
      // What has ended may be owed again, and whoever ran it may be gone by then.
      for (const job of movedOn(pulse)) agenda.hurry(job)
      const owing = declaredAmong([...wanted, ...jobsOf(orphans)], current.desired)
      const asked = new Set([...agenda.due(current.now()), ...owing])
      const othersAtWork = areOthersAtWork(pulse, current)
      if (asked.size === 0) return { asked, owed: new Map(), left: asked, othersAtWork }
      const observed = await observeJobs(asked, current, signal)
      vitals?.looked(observed.history)
      const owed = await owedBy({ asked, observed, atWork }, current)
      putOff(agenda, { asked, observed, owed }, current)
      // Only a look at the targets, under the lease, tells what became of an attempt: the history
      // alone asks for nothing while its archive may be there.
      const begun = jobsOf(orphans.filter(isAttempt))
      const left = new Set(declaredAmong(begun, current.desired))
      const found = [...left, ...owing.filter((job) => wanted.has(job))].map(
        (job): [JobId, readonly Action[]] => [job, []],
      )
      return { asked, owed: new Map([...found, ...owed]), left, othersAtWork }
    },
  }
}

/** How often it is asked what sources have left to be undone, in milliseconds. */
const NOTES_EVERY = 30_000

function areOthersAtWork({ open }: Pulse, { leases }: World): boolean {
  return open.some(({ kind, instance }) => kind !== 'restore' && instance !== leases.instance)
}

/** Enough to tell that the state answers. */
const NOTHING = { depth: 'recent', runs: [], backups: [], copies: [], restores: [] } as const

/** Another config, or something else that was applied, paused or resumed: until it is taken. */
interface Change {
  take(): void
}

function watchForChanges(): (desired: Desired, pulse: Pulse) => Change | null {
  let seen: { readonly desired: Desired; readonly mark: string } | null = null
  return (desired, { applied, pauses }) => {
    const mark = JSON.stringify([applied, pauses])
    if (seen?.desired === desired && seen.mark === mark) return null
    return {
      take() {
        seen = { desired, mark }
      },
    }
  }
}

/** An instance whose clock is behind ours by less is heard. */
const RECENT = 2 * 60_000

/** Tells of which jobs something has ended since it was asked last, by whomever it was run. */
function watchForEnds(): (pulse: Pulse) => readonly JobId[] {
  let open: ReadonlySet<JobId> = new Set()
  let ended: ReadonlySet<string> = new Set()
  return (pulse) => {
    const [wereOpen, hadEnded] = [open, ended]
    open = jobsOf(pulse.open)
    ended = new Set(pulse.ended.map(({ id }) => id))
    const closed = [...wereOpen].filter((job) => !open.has(job))
    return [...closed, ...pulse.ended.flatMap(({ id, job }) => (hadEnded.has(id) ? [] : job))]
  }
}

/** Beyond this, to name the jobs costs more than to read what else there is. */
const NAMED = 2000

async function observeJobs(
  asked: ReadonlySet<JobId>,
  world: World,
  signal: AbortSignal,
): Promise<Observed> {
  const scope = {
    jobs: asked.size > NAMED ? null : [...asked],
    depth: 'history',
    pruneConfirmed: false,
    restoreRequested: null,
  } as const
  return await observe(scope, world, signal)
}

interface Looked {
  readonly asked: ReadonlySet<JobId>
  readonly observed: Observed
}

async function owedBy(
  { asked, observed, atWork }: Looked & { readonly atWork: ReadonlySet<JobId> },
  world: World,
): Promise<Owed> {
  const owed = new Map<JobId, Action[]>()
  const part = world.part(asked)
  const { actions } = plan(part, narrowObserved(observed, part), world.now())
  const ownerOf = ownersIn(observed)
  for (const action of actions) {
    const owner = ownerOf(action)
    if (owner === null || !asked.has(owner) || !EVERY_KIND.has(action.kind)) continue
    // Its job holds the lease and runs: the slot is recorded from here, not under that lease.
    if (action.kind === 'skip' && atWork.has(owner)) await skip(action, world)
    else owed.set(owner, [...(owed.get(owner) ?? []), action])
  }
  return owed
}

/** A job that is owed nothing is left alone until time alone may change that. */
function putOff(
  agenda: Agenda,
  { asked, observed, owed }: Looked & { readonly owed: Owed },
  { desired, now }: World,
): void {
  const { backups, copies } = observed.history
  const byJob = groupedBy(backups, ({ job }) => job)
  const byGroup = groupedBy(copies, ({ group }) => group)
  const at = now()
  for (const job of desired.jobs) {
    if (!asked.has(job.id) || owed.has(job.id)) continue
    const history = {
      backups: byJob.get(job.id) ?? [],
      copies: job.sources.flatMap(({ group }) => byGroup.get(group) ?? []),
    }
    agenda.set(job.id, nextMoment(job, history, at), at)
  }
}
