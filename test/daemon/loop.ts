import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadConfig } from '../../src/config/load.ts'
import type { Event, EventName } from '../../src/core/event.ts'
import type { Desired, Instant } from '../../src/core/model.ts'
import type { History } from '../../src/core/observed.ts'
import { applyConfig } from '../../src/daemon/apply.ts'
import { createDispatch, type Dispatch } from '../../src/daemon/dispatch.ts'
import { recover } from '../../src/daemon/recover.ts'
import { openSession, type Session } from '../../src/daemon/session.ts'
import { createWake } from '../../src/daemon/wake.ts'
import { Interrupted } from '../../src/lib/errors.ts'
import type { Plugins, World } from '../../src/observe/world.ts'
import { sourceKinds } from '../../src/sources/index.ts'
import { targetKinds } from '../../src/targets/index.ts'
import { poll } from '../support/daemon.ts'

const NEVER = new AbortController().signal

/**
 * The daemon's loop without its process: real state, leases, sources and targets, and a clock that a
 * test sets. Passes are made when the test says so.
 */
export interface Loop extends AsyncDisposable {
  readonly root: string
  at(...parts: readonly string[]): string
  /** Everything reported so far; `clear` forgets it. */
  readonly events: Event[]
  named(event: EventName): readonly Event[]
  world(): World
  dispatch(): Dispatch
  history(): Promise<History>
  /** The clock goes on from this instant. */
  setTime(iso: string): void
  /** Writes the config and takes it, as a reload does. */
  configure(config: object): Promise<void>
  /** One pass of the daemon. */
  pass(): Promise<void>
  /** Passes until nothing is owed any more and nothing is under way. Throws when that has no end. */
  quiet(): Promise<void>
  /** Jobs and inventories under way. */
  underWay(): number
  /** Ends this life, does `meanwhile`, and begins another one on the same data_dir. */
  restart(meanwhile?: () => Promise<unknown>): Promise<void>
}

/** As many passes as no test needs. */
const ENDLESS = 40

export interface LoopOptions {
  readonly now: string
  readonly targets?: Plugins['targets']
}

/** A loop on `config`; paths in it start at the loop's own folder. */
export async function makeLoop(config: object, options: LoopOptions): Promise<Loop> {
  const root = await mkdtemp(join(tmpdir(), 'holdfast-loop-'))
  const path = join(root, 'holdfast.yml')
  const plugins = { sources: sourceKinds, targets: options.targets ?? targetKinds }
  const events: Event[] = []
  let ahead = 0
  const now = () => (Date.now() + ahead) as Instant
  const setTime = (iso: string) => {
    ahead = Date.parse(iso) - Date.now()
  }
  const ambient = {
    env: { PATH: process.env.PATH },
    cwd: root,
    now,
    version: 'test',
    plugins,
    report: (event: Event) => void events.push(event),
    progress: () => {},
  }
  const load = async (wanted: object): Promise<Desired> => {
    await writeFile(path, JSON.stringify({ data_dir: 'state', ...wanted }))
    return await loadConfig({ path, env: ambient.env, cwd: root, now: now() })
  }
  setTime(options.now)
  let life = await begin(await load(config), ambient)

  const loop: Loop = {
    root,
    at: (...parts) => join(root, ...parts),
    events,
    named: (event) => events.filter((one) => one.event === event),
    world: () => life.world(),
    dispatch: () => life.dispatch,
    history: () => life.world().store.history({ depth: 'full', jobs: null }),
    setTime,
    async configure(wanted) {
      await life.take(await load(wanted))
    },
    pass: () => life.dispatch.pass(),
    async quiet() {
      for (let count = 0; count < ENDLESS; count++) {
        const before = life.begun()
        await life.dispatch.pass()
        if (life.begun() === before && life.underWay() === 0) return
        await poll(() => life.underWay() === 0, 'the turns to end')
      }
      throw new Error(
        `the loop spins: ${events
          .slice(-9)
          .map(({ message }) => message)
          .join('\n')}`,
      )
    },
    underWay: () => life.underWay(),
    async restart(meanwhile = async () => {}) {
      const { desired } = life.world()
      await life.end()
      await meanwhile()
      life = await begin(desired, ambient)
    },
    async [Symbol.asyncDispose]() {
      await life.end()
      await rm(root, { recursive: true, force: true })
    },
  }
  return loop
}

interface Life {
  world(): World
  readonly dispatch: Dispatch
  take(desired: Desired): Promise<void>
  begun(): number
  underWay(): number
  end(): Promise<void>
}

async function begin(desired: Desired, ambient: Parameters<typeof openSession>[1]): Promise<Life> {
  const session = await openSession(desired, ambient)
  const stop = new AbortController()
  const { wake, counted } = countTurns()
  let world = counted.watch(session, desired)
  await recover(world, NEVER)
  await applyConfig(world, NEVER)
  const dispatch = createDispatch({ world: () => world, wake, stop: stop.signal })
  return {
    world: () => world,
    dispatch,
    async take(wanted) {
      const next = counted.watch(session, wanted)
      await applyConfig(next, NEVER)
      world = next
      dispatch.askInventory()
    },
    begun: counted.begun,
    underWay: counted.underWay,
    async end() {
      stop.abort(new Interrupted('the test ends'))
      await dispatch.settle()
      await session[Symbol.asyncDispose]()
    },
  }
}

/** Counts turns: each begins by asking for a lease, and each ends by waking the loop. */
function countTurns() {
  const wake = createWake()
  let begun = 0
  let ended = 0
  return {
    wake: {
      ...wake,
      wake: () => {
        ended++
        wake.wake()
      },
    },
    counted: {
      begun: () => begun,
      underWay: () => begun - ended,
      watch(session: Session, desired: Desired): World {
        const world = session.world(desired)
        const { leases } = world
        // An inventory takes the leases of jobs that are declared no more: these are no turns.
        const turns = new Set(['inventory', ...desired.jobs.map(({ id }) => `job:${id}`)])
        const acquire: typeof leases.acquire = (name) => {
          if (turns.has(name)) begun++
          return leases.acquire(name)
        }
        return { ...world, leases: { ...leases, acquire } }
      },
    },
  }
}
