import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Event } from '../../src/core/event.ts'
import type { InstanceId, Instant, Millis } from '../../src/core/model.ts'
import { parseRedisAddress } from '../../src/core/redis-address.ts'
import { type DeploymentLeases, openDeploymentLeases } from '../../src/leases/deployment.ts'
import type { LeaseLimits } from '../../src/leases/holding.ts'
import type { Lease, Leases } from '../../src/leases/lease.ts'
import { openRedisVotes } from '../../src/leases/redis/votes.ts'
import type { Votes } from '../../src/leases/votes.ts'
import { StateRefused } from '../../src/lib/errors.ts'
import { openSqliteStore } from '../../src/state/sqlite.ts'
import type { Store } from '../../src/state/store.ts'

/** Leases of tests end sooner than real ones. */
export const TTL = 5_000
/** A disk that others keep busy for as long as a lease lasts would end it, and rightly. */
const MEMORY = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

export interface Member {
  readonly id: InstanceId
  readonly leases: DeploymentLeases
  readonly votes: Votes | null
  readonly events: readonly Event[]
  /** Its way to the database. */
  readonly database: Switch
}

export interface Switch {
  /** Every question is refused from now on. */
  cut(): void
  /** No question is answered any more. */
  stall(): void
  heal(): void
}

/** Instances in one process that share a database. */
export interface Fleet extends AsyncDisposable {
  readonly folder: string
  readonly store: Store
  open(id: string, options?: MemberOptions): Promise<Member>
}

export interface MemberOptions {
  readonly redis?: string
  readonly limits?: Partial<LeaseLimits>
  /** How far its clock is ahead, in milliseconds. */
  readonly ahead?: number
}

export async function openFleet(): Promise<Fleet> {
  const folder = mkdtempSync(join(MEMORY, 'holdfast-fleet-'))
  const store = await openSqliteStore({ path: join(folder, 'state.db') })
  const members: Member[] = []
  return {
    folder,
    store,
    async open(id, options = {}) {
      const member = await openMember(id as InstanceId, store, options)
      members.push(member)
      return member
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(members.map(({ leases }) => leases.close()))
      await store.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** One instance on that store; for a process of its own, too. */
export async function openMember(
  id: InstanceId,
  store: Store,
  { redis, limits, ahead = 0 }: MemberOptions = {},
): Promise<Member> {
  const events: Event[] = []
  const report = (event: Event) => void events.push(event)
  const now = () => (Date.now() + ahead) as Instant
  const ttl = limits?.ttl ?? TTL
  const votes = redis === undefined ? null : await votesAt(redis, id, { report, now, ttl })
  const { database, switched } = withSwitch(store)
  const leases = await openDeploymentLeases({
    store: switched,
    votes,
    report,
    now,
    limits: { ttl, patience: 60_000, call: ttl / 4, ...limits },
    life: () => ({
      id,
      name: `${id}-name`,
      kind: 'daemon',
      labels: [],
      host: 'here',
      pid: process.pid,
      version: '0.0.0-test',
      startedAt: 0 as Instant,
      isDraining: false,
      skew: 0 as Millis,
    }),
  })
  return { id, leases, votes, events, database }
}

type Telling = Pick<Parameters<typeof openRedisVotes>[0], 'report' | 'now' | 'ttl'>

async function votesAt(url: string, instance: InstanceId, telling: Telling): Promise<Votes> {
  const address = parseRedisAddress(url)
  if (address.kind === 'bad') throw new Error(address.why)
  return await openRedisVotes({ address, instance, deployment: 'test', limit: 1_000, ...telling })
}

function withSwitch(store: Store): { database: Switch; switched: Store } {
  let mode: 'well' | 'cut' | 'stalled' = 'well'
  const switched = new Proxy(store, {
    get(target, key: keyof Store) {
      const method = target[key] as (...args: unknown[]) => Promise<unknown>
      return async (...args: unknown[]) => {
        if (mode === 'cut') throw new StateRefused('cut from the database')
        if (mode === 'stalled') return await new Promise(() => {})
        return await method(...args)
      }
    },
  })
  return {
    switched,
    database: {
      cut: () => (mode = 'cut'),
      stall: () => (mode = 'stalled'),
      heal: () => (mode = 'well'),
    },
  }
}

export async function granted(leases: Leases, name: string): Promise<Lease> {
  const lease = await leases.acquire(name)
  if (lease.kind === 'busy') throw new Error(`${name} is held by ${lease.holder}`)
  return lease
}

/** The lease, as soon as it can be had; with how long that took, in milliseconds. */
export async function takenOver(
  leases: Leases,
  name: string,
): Promise<{ readonly lease: Lease; readonly waited: number }> {
  const from = performance.now()
  for (;;) {
    const lease = await leases.acquire(name)
    if (lease.kind === 'granted') return { lease, waited: performance.now() - from }
    await sleep(20)
  }
}

/** Why it was lost, once it is. */
export function lost(lease: Lease): Promise<unknown> {
  return new Promise((resolve) => {
    if (lease.signal.aborted) resolve(lease.signal.reason)
    lease.signal.addEventListener('abort', () => resolve(lease.signal.reason))
  })
}

/** Resolves once `holds` does. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(20)
}

export function told(member: Member, event: Event['event']): number {
  return member.events.filter((one) => one.event === event).length
}
