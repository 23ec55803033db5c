import { lstat } from 'node:fs/promises'
import { livingSources } from '../core/members.ts'
import type { DesiredJob, JobId } from '../core/model.ts'
import { type Named, patienceOf } from '../core/placement.ts'
import { unlessAborted } from '../lib/limits.ts'
import type { Fleet } from '../observe/fleet.ts'
import { declaredJob, openSource, type World } from '../observe/world.ts'
import type { Look } from './looking.ts'

/** Whether jobs are this instance's to run, among several. */
export interface Placing {
  /** Who is there is asked anew, and jobs that are owed nothing any more are forgotten. */
  renew(look: Look): void
  /** 0: at once. Otherwise the milliseconds after which to ask again. */
  patience(job: JobId, world: World): Promise<number>
  /** Asked once the lease is held: whether it still stays here. Notes that it does. */
  settle(job: JobId, world: World): Promise<boolean>
}

/** A job that another instance runs is looked at again after this long, in milliseconds. */
const LOOK_AGAIN = 15_000
/** A path that does not tell within this is none that can be read, in milliseconds. */
const PATH_LIMIT = 2_000

/** Nothing is known yet. */
export function createPlacing(): Placing {
  let daemons: Promise<readonly Named[]> | null = null
  const waiting = new Map<JobId, number>()

  const standing = async (job: DesiredJob, fleet: Fleet, world: World) => {
    daemons ??= daemonsOf(fleet)
    const paths = await pathsOf(job, world)
    const isBound = paths.length > 0
    return {
      self: fleet.self(),
      daemons: await daemons,
      isBound,
      isSeen: isBound && (await areSeen(paths)),
      keeper: isBound ? await world.store.fact(keeperOf(job.id)) : null,
    }
  }
  return {
    renew({ asked, owed }) {
      daemons = null
      for (const job of waiting.keys()) if (asked.has(job) && !owed.has(job)) waiting.delete(job)
    },
    async patience(id, world) {
      if (world.fleet === null) return 0
      const job = declaredJob(world.desired, id)
      const patience = patienceOf(job, await standing(job, world.fleet, world))
      if (patience === null) {
        waiting.delete(id)
        return LOOK_AGAIN
      }
      const since = waiting.get(id) ?? performance.now()
      waiting.set(id, since)
      return Math.max(0, since + patience - performance.now())
    },
    async settle(id, world) {
      if (world.fleet === null) return true
      const job = declaredJob(world.desired, id)
      const now = await standing(job, world.fleet, world)
      if (patienceOf(job, now) === null) return false
      if (now.isBound && now.keeper !== now.self.name) {
        await world.store.saveFact(keeperOf(id), now.self.name)
      }
      return true
    },
  }
}

function keeperOf(job: JobId): string {
  return `keeper:${job}`
}

/** Those that live and take slots; this one does, whatever the state has heard of it so far. */
async function daemonsOf(fleet: Fleet): Promise<readonly Named[]> {
  const self = fleet.self()
  const others = (await fleet.instances()).filter(
    ({ id, kind, isAlive, isDraining }) =>
      id !== self.id && kind === 'daemon' && isAlive && !isDraining,
  )
  return [self, ...others]
}

async function pathsOf(job: DesiredJob, world: World): Promise<readonly string[]> {
  const sources = await Promise.all(
    livingSources(job).map((source) => openSource(world, job, source)),
  )
  return sources.flatMap(({ path }) => path ?? [])
}

async function areSeen(paths: readonly string[]): Promise<boolean> {
  const limit = AbortSignal.timeout(PATH_LIMIT)
  const looks = paths.map((path) =>
    unlessAborted(lstat(path), limit).then(
      () => true,
      () => false,
    ),
  )
  return (await Promise.all(looks)).every(Boolean)
}
