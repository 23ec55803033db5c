import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { scratchHome } from '../act/scratch.ts'
import type { Event } from '../core/event.ts'
import type { Desired, InstanceId, Instant } from '../core/model.ts'
import { openMachineLeases } from '../leases/machine.ts'
import { messageOf, StateRefused } from '../lib/errors.ts'
import type { Plugins, Progress, World } from '../observe/world.ts'
import { newId } from '../platform/ids.ts'
import { openSqliteStore } from '../state/sqlite.ts'
import { type Throttle, throttle } from '../stream/throttle.ts'

/** What main hands in: all that is ambient, once. */
export interface Ambient {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  readonly now: () => Instant
  readonly version: string
  readonly plugins: Plugins
  readonly report: (event: Event) => void
  readonly progress: (progress: Progress) => void
}

/** An opened data_dir: the state, the leases, and a world for each config that comes along. */
export interface Session extends AsyncDisposable {
  readonly instance: InstanceId
  /** The world as this config wants it. The state and the leases are the same for all. */
  world(desired: Desired): World
}

/** Opens the data_dir of `desired`, making it when it is new. Throws `StateRefused` when it cannot be used. */
export async function openSession(desired: Desired, ambient: Ambient): Promise<Session> {
  const { dataDir } = desired
  await mkdir(dataDir, { recursive: true, mode: 0o700 }).catch((cause) => {
    throw new StateRefused(`cannot make data_dir ${dataDir}: ${messageOf(cause)}`, {
      cause,
      at: dataDir,
      hint: 'set data_dir to a folder that this process may write to',
    })
  })
  const store = await openSqliteStore({ path: join(dataDir, 'state.db') })
  const instance = newId(ambient.now()) as InstanceId
  const leases = openMachineLeases({ folder: join(dataDir, 'leases'), fences: store, instance })
  const told = new Map<string, string>()
  const pace = onePace()
  return {
    instance,
    world: (wanted) => ({
      desired: wanted,
      now: ambient.now,
      newId: () => newId(ambient.now()),
      instance,
      version: ambient.version,
      store,
      leases,
      plugins: ambient.plugins,
      throttle: pace(wanted.limits.bandwidth),
      report: ambient.report,
      progress: ambient.progress,
      allowLocal: allowsLocal(ambient.env),
      news: (key, value) => told.get(key) !== value && Boolean(told.set(key, value)),
    }),
    async [Symbol.asyncDispose]() {
      await rm(join(scratchHome(desired), instance), { recursive: true, force: true })
      await leases.close()
      await store.close()
    },
  }
}

/** One throttle for all worlds of the same rate: what began before a reload counts on. */
function onePace(): (rate: number | null) => Throttle | null {
  const paces = new Map<number, Throttle>()
  return (rate) => {
    if (rate === null) return null
    const known = paces.get(rate) ?? throttle(rate)
    paces.set(rate, known)
    return known
  }
}

/** Whether targets of this machine may be used: ALLOW_LOCAL_BACKUPS, as Vardo knows it. */
export function allowsLocal(env: Ambient['env']): boolean {
  return !['false', '0'].includes(env.ALLOW_LOCAL_BACKUPS ?? '')
}
