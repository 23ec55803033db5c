import { join } from 'node:path'
import type { RestoreRequest } from '../core/observed.ts'
import { lockDaemon } from '../leases/machine.ts'
import { messageOf, reportOf } from '../lib/errors.ts'
import type { World } from '../observe/world.ts'
import { bootRestore, requestedRestore } from './boot.ts'
import { createControl } from './controls.ts'
import { createDispatch, type Dispatch } from './dispatch.ts'
import { drain } from './drain.ts'
import type { Expanded } from './expansion.ts'
import { createExpansionWatch, type ExpansionWatch } from './expansion-watch.ts'
import type { Face } from './face.ts'
import { recover } from './recover.ts'
import { firstGeneration, refuseUnavailable } from './reload.ts'
import { apply, type Running, startRunning, takeExpanded, takeReload } from './running.ts'
import { type Ambient, openSession, type Session } from './session.ts'
import { createPost, createReminder, type Post, waking } from './side-work.ts'
import { tellLoaded, tellStarted } from './tell.ts'
import { createVitals, type Vitals } from './vitals.ts'
import { createWake, type Wake } from './wake.ts'
import { watchFiles } from './watch.ts'

/** What could not be done for the moment is tried again after this long. */
const SOON = 1_000

/** What the process is told from outside. */
export interface Orders {
  /** Aborts when the daemon is to drain. */
  readonly drain: AbortSignal
  /** Aborts when it is to stop at once; the reason says why. */
  readonly stop: AbortSignal
  /** Called with what to do when a reload is asked for. */
  onReload(reload: () => void): void
}

/**
 * Keeps the world as the file says until told to drain; `face` is open from before the first deed
 * to after the last. Resolves with `drained` when all under way ended by itself, with `aborted` when
 * it had to be cut short.
 *
 * Throws before anything is scheduled: `ConfigError`, `StateRefused` (another daemon on this
 * data_dir among it), `RestoreFailed` for a boot restore that did not succeed.
 */
export async function runDaemon(
  configPath: string | null,
  ambient: Ambient,
  orders: Orders,
  face: Face,
): Promise<'drained' | 'aborted'> {
  const vitals = createVitals(ambient.report, ambient.now)
  return await runInside(configPath, { ...ambient, report: vitals.report }, orders, {
    face,
    vitals,
  })
}

interface Shown {
  readonly face: Face
  readonly vitals: Vitals
}

async function runInside(
  configPath: string | null,
  ambient: Ambient,
  orders: Orders,
  { face, vitals }: Shown,
): Promise<'drained' | 'aborted'> {
  const first = await firstGeneration(configPath, ambient)
  refuseUnavailable(first.desired, ambient.env)
  tellLoaded(first.desired.origin, ambient.report)
  const request = requestedRestore(ambient.env)
  const wake = createWake()
  await using session = await openSession(first.desired, waking(ambient, wake), 'daemon')
  using _lock = lockDaemon(join(first.desired.dataDir, 'leases'), session.instance)
  const lifetime = AbortSignal.any([orders.drain, orders.stop])
  const worldOf = (expanded: Expanded) => countedWorld(session, expanded, vitals)
  const running = await startRunning(first, worldOf, lifetime)
  const world = () => running.world
  const cut = new AbortController()
  const stop = AbortSignal.any([orders.stop, cut.signal])
  const dispatch = createDispatch({ world, wake, stop, vitals })
  const control = createControl(world, telling(dispatch, session))
  await using _open = await face({
    world,
    vitals,
    control,
    isDraining: dispatch.isDraining,
    restoreVariable: request?.variable ?? null,
  })
  await prepare(running.world, request, orders.stop)
  running.world.news('config.rejected', '')
  const life: Life = {
    running,
    session,
    ambient,
    orders,
    request,
    lifetime,
    wake,
    vitals,
    dispatch,
    cut,
  }
  tellStarted(running.world)
  return await live(life)
}

/** Whoever else is there hears at once that this instance takes no slots, or takes them again. */
function telling(dispatch: Dispatch, session: Session): Pick<Dispatch, 'drain' | 'undrain'> {
  return {
    async drain(timeout) {
      const done = dispatch.drain(timeout)
      await session.tellDraining(true)
      return await done
    },
    undrain() {
      dispatch.undrain()
      void session.tellDraining(false)
    },
  }
}

/** The world as this config wants it, under leases that are counted. */
function countedWorld(session: Session, { desired, seen }: Expanded, vitals: Vitals): World {
  const world = session.world(desired, seen)
  return { ...world, leases: vitals.counting(world.leases) }
}

/** All that a daemon's life needs to know, of which only `running` ever changes. */
interface Life {
  readonly running: Running
  readonly session: Session
  readonly ambient: Ambient
  readonly orders: Orders
  readonly request: RestoreRequest | null
  /** Aborts at a drain as at a stop: the end of taking on work. */
  readonly lifetime: AbortSignal
  readonly wake: Wake
  readonly vitals: Vitals
  readonly dispatch: Dispatch
  /** Aborts what runs. */
  readonly cut: AbortController
}

/** Everything that comes before the first slot may be looked at. */
async function prepare(
  world: World,
  request: RestoreRequest | null,
  signal: AbortSignal,
): Promise<void> {
  await recover(world, signal)
  await world.store.saveFact('restore.variable', request?.variable ?? null)
  await apply(world, signal)
  if (request) await bootRestore(request, world, signal)
}

async function live(life: Life): Promise<'drained' | 'aborted'> {
  const { running, orders, lifetime, request, wake, vitals, dispatch, cut } = life
  const world = () => running.world
  // The file may have changed between its reading and the begin of the watch.
  let changed = true
  const lookAtConfig = () => {
    changed = true
    wake.wake()
  }
  orders.onReload(lookAtConfig)
  lifetime.addEventListener(
    'abort',
    () => {
      vitals.enter('draining')
      wake.wake()
    },
    { once: true },
  )
  watchFiles(() => running.generation.desired.origin.files, lookAtConfig, lifetime)
  const reminder = createReminder(request, world)
  const post = createPost(world, lifetime)
  const expansion = createExpansionWatch({ running, wake, lifetime })
  vitals.enter(lifetime.aborted ? 'draining' : 'working')
  while (!lifetime.aborted) {
    const reloading = changed
    changed = false
    vitals.turn()
    const how = await pass(life, { dispatch, reloading, reminder, post, expansion })
    vitals.turn()
    if (reloading && how === 'again') changed = true
    if (!lifetime.aborted) await dispatch.pause(changed ? SOON : null)
  }
  void life.session.tellDraining(true)
  return await drain({ world: running.world, dispatch, stop: orders.stop, cut })
}

interface Pass {
  readonly dispatch: Dispatch
  readonly reloading: boolean
  readonly reminder: () => void
  readonly post: Post
  readonly expansion: ExpansionWatch
}

/** One look at everything. Nothing that goes wrong in it ends the daemon; `again` asks for another soon. */
async function pass(
  life: Life,
  { dispatch, reloading, reminder, post, expansion }: Pass,
): Promise<'done' | 'again'> {
  const { ambient, lifetime, running } = life
  try {
    const how = reloading ? await takeReload(running, ambient, lifetime) : 'kept'
    const other = expansion.take()
    if (other) await takeExpanded(other, running, lifetime)
    expansion.lookWhenDue()
    if (how === 'taken') dispatch.askInventory()
    await dispatch.pass()
    post.deliver()
    reminder()
    running.world.news('pass.failed', '')
    return how === 'unsettled' ? 'again' : 'done'
  } catch (error) {
    // One that goes on failing, as while the state is away, is tried each second: once is enough told.
    if (!lifetime.aborted && running.world.news('pass.failed', messageOf(error))) {
      ambient.report({
        event: 'pass.failed',
        level: 'error',
        message: `a pass broke off: ${messageOf(error)}`,
        error: reportOf(error),
      })
    }
    return lifetime.aborted ? 'done' : 'again'
  }
}
