import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { scratchHome } from '../act/scratch.ts'
import type { Event } from '../core/event.ts'
import type { Instance } from '../core/fleet.ts'
import type { Desired, InstanceId, Instant } from '../core/model.ts'
import { narrowing } from '../core/narrow.ts'
import type { LeasesState } from '../leases/deployment.ts'
import { messageOf, reportOf, StateRefused } from '../lib/errors.ts'
import { type Plugins, type Progress, type Seen, UNSEEN, type World } from '../observe/world.ts'
import { newId } from '../platform/ids.ts'
import { openStore } from '../state/open.ts'
import { type Throttle, throttle } from '../stream/throttle.ts'
import { openLeases } from './open-leases.ts'

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
  /** How the leases stand, where several instances share them. */
  readonly leasesState: (() => LeasesState) | null
  /** Tells the others whether this instance takes slots. */
  tellDraining(isDraining: boolean): Promise<void>
  /** The world as this config wants it. The state and the leases are the same for all. */
  world(desired: Desired, seen?: Seen): World
}

/** Opens the data_dir of `desired`, making it when it is new. Throws `StateRefused` when it cannot be used. */
export async function openSession(
  desired: Desired,
  ambient: Ambient,
  kind: Instance['kind'] = 'command',
): Promise<Session> {
  const { dataDir } = desired
  await mkdir(dataDir, { recursive: true, mode: 0o700 }).catch((cause) => {
    throw new StateRefused(`cannot make data_dir ${dataDir}: ${messageOf(cause)}`, {
      cause,
      at: dataDir,
      hint: 'set data_dir to a folder that this process may write to',
    })
  })
  const store = await openStore(desired, (error) => tellTrouble(error, ambient))
  const shared = await openLeases({ desired, store, ambient, kind }).catch(
    async (error: unknown) => {
      await store.close()
      throw error
    },
  )
  const { instance, leases, fleet, slots } = shared
  const told = new Map<string, string>()
  const pace = onePace()
  return {
    instance,
    leasesState: shared.state,
    tellDraining: shared.tellDraining,
    world: (wanted, seen = UNSEEN) => ({
      desired: wanted,
      seen,
      part: narrowing(wanted),
      now: ambient.now,
      newId: () => newId(ambient.now()),
      instance,
      version: ambient.version,
      store,
      leases,
      fleet,
      ...(slots ? { slots } : {}),
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

/** A connection of the pool that broke while nobody used it: the next question makes another. */
function tellTrouble(error: unknown, { report }: Ambient): void {
  report({
    event: 'pass.failed',
    level: 'debug',
    message: `a connection to the state broke: ${messageOf(error)}`,
    error: reportOf(error),
  })
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
