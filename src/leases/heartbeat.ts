import type { Instance } from '../core/fleet.ts'
import type { Instant, Millis } from '../core/model.ts'
import { startTimer, type Timer } from '../lib/limits.ts'
import type { Holding, LeaseLimits } from './holding.ts'
import type { Reach } from './reach.ts'
import type { SharedState } from './shared-state.ts'
import type { Votes } from './votes.ts'
import { within } from './within.ts'

/** How far our clock is ahead of the database's; behind when negative. */
export interface Skew {
  readonly by: Millis
  /** It may be so much more or less: half of the time that the question took. */
  readonly error: Millis
}

export interface Heartbeat {
  /** Renews the life of this instance, and every lease that it holds; nothing once it was stopped. Never throws. */
  beat(): Promise<void>
  /** Beats by itself from now on. */
  start(): void
  /** No beat comes any more, and none is under way, once it resolves. */
  stop(): Promise<void>
  /** Null before the database has answered. */
  skew(): Skew | null
}

export interface HeartbeatOptions {
  readonly store: SharedState
  readonly votes: Votes | null
  readonly life: () => Instance
  readonly now: () => Instant
  /** What is held at this moment. */
  readonly held: () => readonly Holding[]
  readonly database: Reach
  readonly limits: LeaseLimits
}

/** One for all leases: what it asks grows with nothing but their number. */
export function heartbeat(options: HeartbeatOptions): Heartbeat {
  const { store, votes, life, now, held, database, limits } = options
  let skew: Skew | null = null
  let provenAt = performance.now()
  let timer: Timer | null = null
  const underWay = new Set<Promise<void>>()
  let isStopped = false

  async function prove(mine: readonly Holding[]): Promise<boolean> {
    const askedAt = performance.now()
    const from = now()
    const row = { ...life(), ...(skew ? { skew: skew.by } : {}) }
    const answered = store.beat(row, mine.map(numberOf), limits.ttl as Millis).then((answer) => {
      skew = skewOf(from, now(), answer.now)
      provenAt = Math.max(provenAt, askedAt)
      for (const one of mine) {
        if (answer.held.includes(one.name)) one.proven(askedAt)
        else one.lose('the database knows of another holder')
      }
    })
    try {
      await within(answered, limits.call, 'the database')
      database.reached()
      return true
    } catch (error) {
      database.away(error, askedAt)
      return false
    }
  }

  async function vouch(mine: readonly Holding[]): Promise<void> {
    if (!votes) return
    const askedAt = performance.now()
    // Cut from the database for so long, it has given up its work: others need not wait for it.
    const living = askedAt - provenAt < limits.patience ? votes.live() : null
    await Promise.all([living, ...mine.map((one) => extend(one, askedAt))])
  }

  async function beatOnce(): Promise<void> {
    const mine = held().filter((one) => !one.isOver())
    const [isProven] = await Promise.all([prove(mine), vouch(mine)])
    // Only a lease that the database has just confirmed gets a new lock: in the meantime, another
    // instance may have had it, and be done.
    if (isProven && votes) await Promise.all(mine.map((one) => voteAgain(one, votes)))
  }

  async function beat(): Promise<void> {
    // The row of an instance that has taken leave would say that it lives.
    if (!isStopped) await among(underWay, beatOnce())
  }

  /** Sooner again while the database is away, so that what waits for it goes on. */
  function plan(from: number): void {
    const isWell = database.state().kind === 'reached'
    const pause = from + limits.ttl / (isWell ? 3 : 15) - performance.now()
    timer = startTimer(Math.max(pause, limits.ttl / 60), () => {
      const startedAt = performance.now()
      void beat().then(() => {
        if (!isStopped) plan(startedAt)
      })
    }).unref()
  }

  return {
    beat,
    start: () => plan(performance.now()),
    async stop() {
      isStopped = true
      timer?.cancel()
      await Promise.all(underWay)
    },
    skew: () => skew,
  }
}

/** Waits for `one`, which is in `all` meanwhile. */
async function among(all: Set<Promise<void>>, one: Promise<void>): Promise<void> {
  all.add(one)
  await one.finally(() => all.delete(one))
}

function numberOf({ name, fence }: Holding) {
  return { name, fence }
}

async function extend(one: Holding, askedAt: number): Promise<void> {
  const answer = await one.vote?.extend()
  if (answer === 'extended') one.vouched(askedAt)
  if (answer === 'lost') one.vote = null
}

async function voteAgain(one: Holding, votes: Votes): Promise<void> {
  if (one.vote !== null || one.isOver()) return
  const askedAt = performance.now()
  const got = await votes.take(one.name)
  if (got.kind !== 'taken') return
  if (one.isOver()) return await got.vote.release()
  one.vote = got.vote
  one.vouched(askedAt)
}

function skewOf(from: Instant, to: Instant, theirs: Instant): Skew {
  const error = Math.ceil(Math.max(0, to - from) / 2) as Millis
  return { by: Math.round((from + to) / 2 - theirs) as Millis, error }
}
