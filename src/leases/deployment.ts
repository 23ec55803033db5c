import { setTimeout as sleep } from 'node:timers/promises'
import type { Report } from '../core/event.ts'
import type { Instance } from '../core/fleet.ts'
import type { InstanceId, Instant, Millis } from '../core/model.ts'
import { LeaseLost, StateRefused } from '../lib/errors.ts'
import { type AskDatabase, databaseAsker, watchDatabase } from './ask-database.ts'
import { type Heartbeat, heartbeat, type Skew } from './heartbeat.ts'
import { type HolderWords, holderWords } from './holder-words.ts'
import { type Grant, type Holding, holdingOf, type LeaseLimits } from './holding.ts'
import type { Busy, Lease, Leases } from './lease.ts'
import type { Reached } from './reach.ts'
import type { SharedState } from './shared-state.ts'
import type { Votes } from './votes.ts'

export interface DeploymentLeasesOptions {
  readonly store: SharedState
  /** Redis, or null. Closed together with the leases. */
  readonly votes: Votes | null
  /** This instance as it tells of itself now. Its id stays the same, its skew is filled in here. */
  readonly life: () => Instance
  readonly report: Report
  readonly now: () => Instant
  readonly limits?: Partial<LeaseLimits>
}

/** Leases among instances that share a database. */
export interface DeploymentLeases extends Leases {
  state(): LeasesState
  /** Renews everything at once, and tells of this instance as it is now. Never throws. */
  beat(): Promise<void>
}

export interface LeasesState {
  readonly database: Reached
  readonly redis: 'none' | 'reached' | 'away'
  readonly skew: Skew | null
  /** Names of the leases that are held. */
  readonly held: readonly string[]
  /** How often another server became the primary of Redis, as seen from here. */
  readonly failovers: number
}

const ENDING = 'this instance ends'
const LIMITS: LeaseLimits = { ttl: 30_000, patience: 10 * 60_000, call: 7_500 }

/**
 * The database decides who holds a lease, and numbers every grant. Redis is asked first, and speaks
 * for a holder while the database is away; without Redis the database alone decides.
 *
 * Throws `StateRefused` when the database cannot be reached.
 */
export async function openDeploymentLeases(
  options: DeploymentLeasesOptions,
): Promise<DeploymentLeases> {
  const { store, votes, life, report, now } = options
  const limits = { ...LIMITS, ...options.limits }
  const instance = life().id
  const database = watchDatabase(report, now)
  const ask = databaseAsker(database, limits.call)
  const held = new Map<string, Holding | null>()
  const holdings = () => [...held.values()].filter((one) => one !== null)
  const beats = heartbeat({ store, votes, life, now, held: holdings, database, limits })
  const over = new AbortController()
  const words = holderWords(store, ask)
  const core: Core = { store, votes, instance, limits, ask, held, words, over: over.signal }
  try {
    await ask('look who is there', () => store.instances())
    await beats.beat()
    if (database.state().kind === 'away') throw new StateRefused('cannot join the other instances')
  } catch (error) {
    await votes?.close()
    throw error
  }
  beats.start()
  return {
    instance,
    acquire: (name) => acquire(name, core),
    isAlive: (id) => isAlive(id, core),
    beat: beats.beat,
    state: () => ({
      database: database.state(),
      redis: votes?.state().reach ?? 'none',
      skew: beats.skew(),
      held: holdings().map(({ name }) => name),
      failovers: votes?.state().failovers ?? 0,
    }),
    async close() {
      over.abort()
      await close(beats, holdings(), core)
    },
  }
}

interface Core extends Pick<DeploymentLeasesOptions, 'store' | 'votes'> {
  readonly instance: InstanceId
  readonly limits: LeaseLimits
  readonly ask: AskDatabase
  /** By name; null while it is being taken. Lost ones stay until their work lets go of them. */
  readonly held: Map<string, Holding | null>
  readonly words: HolderWords
  /** Aborts when the leases are closed. */
  readonly over: AbortSignal
}

async function acquire(name: string, core: Core): Promise<Lease | Busy> {
  const { held, instance, words, over } = core
  if (held.has(name)) return { kind: 'busy', holder: await words(instance) }
  held.set(name, null)
  try {
    const got = await take(name, core)
    if (got.kind === 'busy') held.delete(name)
    else if (over.aborted) {
      await got.release()
      throw new LeaseLost(name, { why: ENDING })
    }
    return got
  } catch (error) {
    held.delete(name)
    throw error
  }
}

async function take(name: string, core: Core): Promise<Lease | Busy> {
  const { store, votes, instance, limits, ask, words } = core
  const voted = (await votes?.take(name)) ?? { kind: 'away' }
  if (voted.kind === 'held') return { kind: 'busy', holder: await words(voted.instance) }
  const vote = voted.kind === 'taken' ? voted.vote : null
  const askedAt = performance.now()
  let isGranted = false
  try {
    const row = await ask(
      `take the lease ${name}`,
      () => store.takeLease(name, instance, limits.ttl as Millis),
      (late) => {
        if (late.kind === 'taken') store.dropLease({ name, fence: late.fence }).catch(() => {})
      },
    )
    if (row.kind === 'held') return { kind: 'busy', holder: await words(row.instance, row.until) }
    isGranted = true
    return grant({ name, fence: row.fence, vote, askedAt }, core)
  } finally {
    if (!isGranted) await vote?.release()
  }
}

function grant(granted: Grant, core: Core): Lease {
  const holding = holdingOf(granted, core.limits)
  const { name, fence, signal } = holding
  core.held.set(name, holding)
  return {
    kind: 'granted',
    name,
    fence,
    signal,
    confirm: () => confirm(holding, core),
    release: () => release(holding, core),
  }
}

/** Waits for the database while it is away: as long as the lease itself lasts. */
async function confirm(holding: Holding, { store, ask, limits }: Core): Promise<void> {
  for (;;) {
    holding.check()
    const { name, fence, signal } = holding
    const newest = await ask(`confirm the lease ${name}`, () => store.fenceOf(name)).catch(
      () => null,
    )
    holding.check()
    if (newest === fence) return
    if (newest !== null) holding.lose('it was given to another instance')
    // What a timer throws when it is aborted says nothing of why: `check` does.
    else await sleep(limits.ttl / 30, undefined, { signal }).catch(() => {})
  }
}

async function release(holding: Holding, { store, ask, held }: Core): Promise<void> {
  const { name, fence, vote } = holding
  if (!holding.letGo()) return
  held.delete(name)
  // What cannot be told ends by itself, as nobody renews it any more.
  await Promise.allSettled([
    vote?.release(),
    ask(`let go of the lease ${name}`, () => store.dropLease({ name, fence })),
  ])
}

async function isAlive(id: InstanceId, { store, votes, instance, ask }: Core): Promise<boolean> {
  if (id === instance) return true
  const all = await ask('look who is there', () => store.instances())
  if (all.some((one) => one.id === id && one.isAlive)) return true
  return (await votes?.isAlive(id)) === true
}

async function close(beats: Heartbeat, held: readonly Holding[], core: Core): Promise<void> {
  for (const one of held) {
    one.lose(ENDING)
    one.letGo()
  }
  // One under way would say that this instance lives.
  await beats.stop()
  await Promise.allSettled([
    ...held.map((one) => one.vote?.release()),
    core.ask('take leave', () => core.store.leave(core.instance)),
  ])
  await core.votes?.close()
}
